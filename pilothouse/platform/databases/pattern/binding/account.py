"""The account of a binding, its password, and the Secret with the variables (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding import objects
from pilothouse.platform.databases.pattern.binding.names import prefix_of
from pilothouse.platform.databases.pattern.binding.saying import drain_s
from pilothouse.platform.databases.pattern.binding.seen import Seen, owned
from pilothouse.platform.databases.pattern.binding.service import BackingService, Connection

KEEP_S = 604_800
"""How long an account's old password works at most while the app is rolled out with the new one: an app may need days to be mended."""


def account_of(binding: Object, seen: Seen, service: BackingService, rotated: str, now_s: float) -> Object | None:
    """As it has to become; None: as it is, or not now. rotated: the rotation that the app serves with."""
    if seen.instance is None or meta.is_deleting(seen.instance) or service.missing_database(binding, seen.instance, seen.databases):
        return None
    if seen.account is not None and (not owned(seen.account, binding) or meta.is_deleting(seen.account)):
        return None
    spec = service.account_spec(binding, seen.instance) | _rotation(binding, seen.account, rotated, now_s)
    return objects.account(binding, service.accounts, spec, seen.account)


def _rotation(binding: Object, account: Object | None, rotated: str, now_s: float) -> Object:
    """One rotation after the other: the next begins when nobody uses the password before the last any more.

    Between rotations an old password would be kept as well, since the account may be rotated by itself.
    """
    asked = binding["spec"].get("rotatedAt") or ""
    current = (account or {"spec": {}})["spec"].get("rotatedAt") or ""
    keeps_old = bool(((account or {}).get("status") or {}).get("oldValidUntil"))
    begun = (asked or current) if account is None or (current == rotated and not keeps_old) else current
    is_over = keeps_old and begun == rotated and _is_drained(binding, rotated, now_s)
    return {"keepOldSeconds": 0 if is_over else KEEP_S} | ({"rotatedAt": begun} if begun else {})


def _is_drained(binding: Object, rotated: str, now_s: float) -> bool:
    """Whether the replicas that were rolled out before this rotation have ended."""
    status = binding.get("status") or {}
    return status.get("rotatedAt") == rotated and drain_s(status.get("servedAt") or "", now_s) is None


def connection_of(binding: Object, seen: Seen, service: BackingService) -> Connection | None:
    """None as long as the service does not take the password that the account's Secret has by now."""
    if seen.instance is None or seen.account is None or seen.password is None or seen.authority is None:
        return None
    if not owned(seen.account, binding):
        return None
    found = service.connection(binding, seen.instance, seen.account, seen.password, seen.authority)
    is_taken = (seen.account.get("status") or {}).get("secretVersion") == meta.resource_version(seen.password)
    is_given = found is not None and objects.encoded(found.password) in ((seen.secret or {}).get("data") or {}).values()
    return found if is_taken or is_given else None


def variables(binding: Object, seen: Seen, connection: Connection | None) -> Object | None:
    if connection is None or (seen.secret is not None and not owned(seen.secret, binding)):
        return None
    return objects.secret(binding, connection.variables(prefix_of(binding)), objects.rotation_of(seen.password or {}), seen.secret)
