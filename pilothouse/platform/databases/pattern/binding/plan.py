"""What a Binding needs next, from its spec and what exists (pure).

The order of binding: a finalizer; the account, until the service has it; the variables with a password that the service takes; the
variables in the App; Ready when the app's newest state serves with them. A rotation goes the same way, and the account's old password
ends when the app serves with the new one. The order of unbinding: out of the App; when the app serves without them, the Binding goes,
and with it what it owns, the account among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding import objects
from pilothouse.platform.databases.pattern.binding.app import Serving, names_secret, serving_with, serving_without
from pilothouse.platform.databases.pattern.binding.names import (
    FINALIZER,
    FORCED,
    app_of,
    kind_of,
    prefix_of,
    secret_of,
    service_of,
    variables_of,
)
from pilothouse.platform.databases.pattern.binding.service import BackingService, Connection

KEEP_S = 604_800
"""How long an account's old password works at most while the app is rolled out with the new one: an app may need days to be mended."""
DRAIN_S = 60.0
"""By then the replicas before the newest have ended, which go on for half a minute when they are replaced."""
Said = tuple[str, str, str]
"""status, reason and message of the condition Ready."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What exists of what a binding joins; None where there is none. rivals: the other Bindings of the app. databases: of the service.

    secret: with the variables. password: of the account. authority: with the certificate of the service's authority.
    """

    app: Object | None = None
    instance: Object | None = None
    databases: Sequence[Object] = ()
    account: Object | None = None
    secret: Object | None = None
    password: Object | None = None
    authority: Object | None = None
    rivals: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is None or empty stays as it is. account, secret: to create, or to change where they have a resourceVersion.

    secrets_of_app: the App's list of Secrets. finalizers: of the Binding. status: its fields that are known anew.
    """

    finalizers: list[str] | None = None
    account: Object | None = None
    secret: Object | None = None
    secrets_of_app: list[str] | None = None
    status: Object = field(default_factory=dict)
    again_s: float | None = None


def plan(binding: Object, seen: Seen, service: BackingService, now_s: float) -> Plan:
    """now_s: seconds since the epoch."""
    if meta.is_deleting(binding):
        return _unbind(binding, seen, now_s)
    if FINALIZER not in meta.finalizers(binding):
        return Plan(finalizers=[*meta.finalizers(binding), FINALIZER])
    connection = _connection(binding, seen, service)
    secret = _secret(binding, seen, connection)
    may_join = seen.secret is not None and _owned(seen.secret, binding) and not _conflict(binding, seen)
    serving = _serving(binding, seen, connection, secret)
    rotated = _rotated(binding, seen, serving)
    account = _account(binding, seen, service, rotated, now_s)
    said = _said(binding, seen, service, _Progress(account, connection, secret, serving))
    served_at = _served_at(binding, said, now_s)
    return Plan(
        account=account,
        secret=secret,
        secrets_of_app=_with(seen.app, secret_of(binding)) if may_join else None,
        status=_status(binding, seen, said, now_s, rotatedAt=rotated, servedAt=served_at),
        again_s=_drain_s(served_at, now_s),
    )


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far it has come. account, secret: what is written of them this time. serving: None: not that far yet."""

    account: Object | None
    connection: Connection | None
    secret: Object | None
    serving: Serving | None


# The account and its password.


def _account(binding: Object, seen: Seen, service: BackingService, rotated: str, now_s: float) -> Object | None:
    """As it has to become; None: as it is, or not now. rotated: the rotation that the app serves with."""
    if seen.instance is None or meta.is_deleting(seen.instance) or service.missing_database(binding, seen.instance, seen.databases):
        return None
    if seen.account is not None and (not _owned(seen.account, binding) or meta.is_deleting(seen.account)):
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
    return status.get("rotatedAt") == rotated and _drain_s(status.get("servedAt") or "", now_s) is None


def _connection(binding: Object, seen: Seen, service: BackingService) -> Connection | None:
    """None as long as the service does not take the password that the account's Secret has by now."""
    if seen.instance is None or seen.account is None or seen.password is None or seen.authority is None:
        return None
    if not _owned(seen.account, binding):
        return None
    found = service.connection(binding, seen.instance, seen.account, seen.password, seen.authority)
    is_taken = (seen.account.get("status") or {}).get("secretVersion") == meta.resource_version(seen.password)
    is_given = found is not None and objects.encoded(found.password) in ((seen.secret or {}).get("data") or {}).values()
    return found if is_taken or is_given else None


def _secret(binding: Object, seen: Seen, connection: Connection | None) -> Object | None:
    if connection is None or (seen.secret is not None and not _owned(seen.secret, binding)):
        return None
    return objects.secret(binding, connection.variables(prefix_of(binding)), objects.rotation_of(seen.password or {}), seen.secret)


def _owned(obj: Object, binding: Object) -> bool:
    return (meta.controller_of(obj) or {}).get("uid") == meta.uid(binding)


# The app.


def _with(app: Object | None, name: str) -> list[str] | None:
    if app is None or meta.is_deleting(app) or names_secret(app, name):
        return None
    return [*(app["spec"].get("secrets") or ()), name]


def _serving(binding: Object, seen: Seen, connection: Connection | None, secret: Object | None) -> Serving | None:
    """None as long as it has not got that far that the app could serve with the newest variables."""
    if seen.app is None or seen.secret is None or connection is None or secret is not None:
        return None
    return serving_with(seen.app, seen.secret) if names_secret(seen.app, secret_of(binding)) else None


def _rotated(binding: Object, seen: Seen, serving: Serving | None) -> str:
    """The rotation that the app serves with; without an app, that of the variables: nobody is left who has the old password."""
    before = str((binding.get("status") or {}).get("rotatedAt") or "")
    if seen.account is None or seen.password is None or seen.secret is None:
        return before
    is_there = serving.is_good if serving is not None else seen.app is None
    is_newest = objects.rotation_of(seen.secret) == ((seen.account.get("status") or {}).get("rotatedAt") or "")
    return objects.rotation_of(seen.secret) if is_there and is_newest else before


def _conflict(binding: Object, seen: Seen) -> str:
    """Who else gives the app one of the variables, as a sentence. Of bindings with one prefix the oldest counts."""
    advice = "choose another prefix with `ph bind --prefix`"
    own = set(variables_of(binding))
    if both := sorted(own & set((((seen.app or {}).get("spec") or {}).get("env")) or {})):
        return f"{app_of(binding)} has {both[0]} among its own variables: unset it, or {advice}"
    for rival in seen.rivals:
        if own & set(variables_of(rival)) and _age(rival) < _age(binding):
            return f"binding {meta.name(rival)} gives {app_of(binding)} the same variables, {prefix_of(rival)}_...: {advice}"
    return ""


def _age(obj: Object) -> tuple[str, str]:
    return str(obj["metadata"].get("creationTimestamp") or ""), meta.name(obj)


# What is said.


def _said(binding: Object, seen: Seen, service: BackingService, progress: _Progress) -> Said:
    app, name = app_of(binding), service_of(binding)
    if seen.instance is None or meta.is_deleting(seen.instance):
        what = "is being deleted" if seen.instance is not None else "does not exist in this namespace"
        return "False", "NoService", f"{kind_of(binding)} {name} {what}"
    if missing := service.missing_database(binding, seen.instance, seen.databases):
        return "False", "NoDatabase", missing
    for obj in (seen.account, seen.secret):
        if obj is not None and not _owned(obj, binding):
            taken = f"{obj['kind']} {meta.name(obj)} exists and is not this binding's"
            return "False", "NameTaken", f"{taken}: remove it, or make a Binding of another name"
    if trouble := _of_account(binding, seen, progress):
        return trouble
    if conflict := _conflict(binding, seen):
        return "False", "Conflict", conflict
    if seen.app is None:
        return "False", "NoApp", f"there is no app {app}: it gets its variables as soon as it is deployed"
    if progress.serving is None:
        return "False", "Joining", f"{app} is given the variables"
    return ("True", "Bound", "") if progress.serving.is_good else ("False", progress.serving.reason, progress.serving.message)


def _of_account(binding: Object, seen: Seen, progress: _Progress) -> Said | None:
    """That the account is not there yet, or not as it is wanted. One that a settled binding uses may be told anew meanwhile."""
    ready = meta.condition(seen.account or {}, "Ready") or {}
    if ready.get("status") == "False" and ready.get("reason") not in ("Waiting", None):
        return "False", "NoAccount", f"its account is not there: {ready.get('message')}"
    is_settled = meta.is_true(binding, "Ready") and _observed(binding)
    is_applied = seen.account is not None and meta.is_true(seen.account, "Ready") and _observed(seen.account) and progress.account is None
    if progress.connection is not None and (is_settled or is_applied):
        return None
    return "False", "Waiting", f"{service_of(binding)} is told of the account as soon as it answers"


def _observed(obj: Object) -> bool:
    return bool((obj.get("status") or {}).get("observedGeneration") == meta.generation(obj))


def _served_at(binding: Object, said: Said, now_s: float) -> str:
    """Since when it has been so that the condition has this reason, for one that the app serves with or without."""
    before = meta.condition(binding, "Ready") or {}
    if said[1] not in ("Bound", "Draining"):
        return ""
    known = str((binding.get("status") or {}).get("servedAt") or "")
    return known if known and before.get("reason") == said[1] else meta.rfc3339(now_s)


def _drain_s(served_at: str, now_s: float) -> float | None:
    """In how many seconds the replicas before have certainly ended; None when they have, or when they still serve."""
    left = meta.parse_rfc3339(served_at) + DRAIN_S - now_s if served_at else 0.0
    return left if left > 0 else None


def _status(binding: Object, seen: Seen, said: Said, now_s: float, **fields: str) -> Object:
    """{} when all of it is so already."""
    status, reason, message = said
    old, generation = binding.get("status") or {}, meta.generation(binding)
    new = {"type": "Ready", "status": status, "reason": reason, "message": message, "observedGeneration": generation}
    known: Object = {
        "observedGeneration": generation,
        "secret": secret_of(binding) if seen.secret is not None else "",
        "user": ((seen.account or {}).get("spec") or {}).get("name") or old.get("user") or "",
        "conditions": meta.with_condition(old.get("conditions"), new, meta.rfc3339(now_s)),
        **fields,
    }
    return known if any((old.get(key) or "") != (value or "") for key, value in known.items()) else {}


# Unbinding.


def _unbind(binding: Object, seen: Seen, now_s: float) -> Plan:
    if FINALIZER not in meta.finalizers(binding):
        return Plan()
    gone = Plan(finalizers=[each for each in meta.finalizers(binding) if each != FINALIZER])
    app, name = seen.app, secret_of(binding)
    if app is None or meta.is_deleting(app):
        return gone
    if names_secret(app, name) and (seen.secret is None or _owned(seen.secret, binding)):
        left = [each for each in app["spec"]["secrets"] if each != name]
        said = ("False", "Unbinding", f"{app_of(binding)} is rolled out without the variables")
        return Plan(secrets_of_app=left, status=_status(binding, seen, said, now_s))
    serving = serving_without(app, name)
    if seen.secret is None or not _owned(seen.secret, binding) or meta.annotations(binding).get(FORCED) == "yes":
        return gone
    said = _leaving(binding, serving)
    served_at = _served_at(binding, said, now_s)
    left_s = _drain_s(served_at, now_s)
    if serving.is_good and left_s is None:
        return gone
    return Plan(status=_status(binding, seen, said, now_s, servedAt=served_at), again_s=left_s)


def _leaving(binding: Object, serving: Serving) -> Said:
    if serving.is_good:
        return "False", "Draining", f"{app_of(binding)} serves without the variables; the account goes when its earlier replicas have ended"
    if serving.reason != "StillUsed":
        return "False", serving.reason, serving.message
    force = f"`ph unbind {app_of(binding)} {service_of(binding)} --force`"
    return "False", "StillUsed", f"{serving.message}; earlier replicas may still use the account, and {force} takes it away all the same"


def refused(binding: Object, seen: Seen, why: str, now_s: float) -> Object:
    """The status of a binding whose objects the cluster does not take."""
    return _status(binding, seen, ("False", "Refused", f"the cluster refuses it: {why}"), now_s)
