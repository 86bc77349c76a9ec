"""What is said of accounts and databases in their Ready condition (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.accounts import check, rotation
from pilothouse.platform.databases.mysql.accounts.names import secret_of
from pilothouse.platform.databases.mysql.accounts.seen import Seen, Steps, is_suspended, is_user, server_key

Said = tuple[str, str, str]
"""status, reason and message of a condition."""
APPLIED: Said = ("True", "Applied", "")
GRANTS_REFUSED = "GrantsRefused"
"""Reason: the account is as asked for but for some of its rights."""
GRANTS_WAIT = "GrantsWait"
"""Reason: the same, and all that is missing is given as soon as its table is there."""


def said_of(seen: Seen, instance: Object, obj: Object, version: str) -> Said:
    """As the primary has it. Until it has spoken of it, what it was heard to have before counts: another primary has the same data."""
    heard = (seen.heard or {}).get(server_key(obj)) or {}
    if heard.get("version") == version:
        return ("False", _reason(heard), heard["error"]) if heard.get("error") else APPLIED
    if not heard and meta.is_true(obj, "Ready") and _is_unchanged(seen, obj):
        return APPLIED
    if is_suspended(instance):
        return "False", "Suspended", f"{meta.name(instance)} is suspended; it counts when that is resumed"
    return "False", "Waiting", f"the primary of {meta.name(instance)} is told of it as soon as it answers"


def _reason(heard: Object) -> str:
    if heard.get("waits"):
        return GRANTS_WAIT
    return GRANTS_REFUSED if heard.get("partial") else "Refused"


def _is_unchanged(seen: Seen, obj: Object) -> bool:
    status = obj.get("status") or {}
    if status.get("observedGeneration") != meta.generation(obj):
        return False
    secret = seen.secrets.get(secret_of(obj)) if is_user(obj) else None
    return not is_user(obj) or (secret is not None and meta.resource_version(secret) == status.get("secretVersion"))


def is_ours(user: Object, secret: Object) -> bool:
    """Whether it was made for this very account; one of somebody's is used and never changed."""
    return (meta.controller_of(secret) or {}).get("uid") == meta.uid(user)


def with_rotation(user: Object, secret: Object, said: Said) -> Said:
    """What stands in the way of a rotation that was asked for, beside an account that works."""
    asked = user["spec"].get("rotatedAt") or ""
    if said != APPLIED or not asked or asked == rotation.rotation_of(secret):
        return said
    if not is_ours(user, secret):
        return "True", "SecretNotOurs", f"its password is not rotated: the Secret {meta.name(secret)} is yours, change the password there"
    return "True", "RotationWaits", "the password before the last still works, and a client may have it: keepOldSeconds 0 ends that"


def with_grants(user: Object, said: Said) -> Said:
    """One right that nobody is given holds up neither the others, nor what was taken back, nor a password."""
    faults = check.grant_faults(user["spec"].get("grants") or ())
    if not faults:
        return said
    waiting = [said[2]] if said[1] in (GRANTS_REFUSED, GRANTS_WAIT) else []
    return "False", GRANTS_REFUSED, "; ".join([*faults, *waiting])


def say(seen: Seen, obj: Object, said: Said, fields: Object, steps: Steps) -> None:
    """fields: of the status, beside its conditions; those that are not given stay."""
    status, reason, message = said
    old = obj.get("status") or {}
    generation = meta.generation(obj)
    new = {"type": "Ready", "status": status, "reason": reason, "message": message, "observedGeneration": generation}
    conditions = meta.with_condition(old.get("conditions"), new, meta.rfc3339(seen.now_s))
    changed = {"observedGeneration": generation, "conditions": conditions, **fields}
    if any(old.get(key) != value for key, value in changed.items() if value or old.get(key)):
        steps.statuses.append((obj, changed))


def refused(obj: Object, why: str, now_s: float) -> Object:
    """The status of an account whose Secret the cluster does not take."""
    said = Steps()
    say(Seen(None, now_s=now_s), obj, ("False", "Refused", f"the cluster refuses its Secret: {why}"), {}, said)
    return said.statuses[0][1] if said.statuses else {}
