"""What the accounts and databases of an instance need next (pure).

The order: a finalizer before anything can be in the server, a Secret before its account, the new password into the Secret before the
server learns of it, the status after the server has said that it has it. An object that is being deleted goes when the server has
dropped what it stood for; at once where there is no server that could, and then what is left is dropped when it runs again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names
from pilothouse.platform.databases.mysql.accounts import check, rotation, wanted
from pilothouse.platform.databases.mysql.accounts.names import (
    FINALIZER,
    account_name,
    database_name,
    instance_of,
    own_secret,
    secret_of,
)
from pilothouse.platform.databases.mysql.accounts.standing import Fault, Standing, standing
from pilothouse.platform.databases.resource import MYSQL_USERS

Said = tuple[str, str, str]
"""status, reason and message of a condition."""
APPLIED: Said = ("True", "Applied", "")
GRANTS_REFUSED = "GrantsRefused"
"""Reason: the account is as asked for but for some of its rights."""
GRANTS_WAIT = "GrantsWait"
"""Reason: the same, and all that is missing is given as soon as its table is there."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What exists of an instance's accounts. instance: None when there is none. users, databases: those that name it.

    left_over: those that name it and went with an earlier instance of the name, see `names.is_left_over`; they are in neither of these.
    secrets: those that users and the instance name, by name, as far as they exist. heard: what the primary has said of `account/NAME`
    and `database/NAME` (version, error); None as long as it has not been heard of. now_s: seconds since the epoch.
    """

    instance: Object | None
    users: Sequence[Object] = ()
    databases: Sequence[Object] = ()
    secrets: Mapping[str, Object] = field(default_factory=dict)
    heard: Mapping[str, Object] | None = None
    now_s: float = 0.0
    left_over: Sequence[Object] = ()


@dataclass(slots=True)
class Steps:
    """secrets: to create, or to update where they have a resourceVersion. finalizers: objects, and the finalizers that they get.

    remove: objects to delete. statuses: objects, and the fields of their status that change.
    drop_later: the annotation's new value; None: as it is. again_s: in how many seconds to look again.
    """

    secrets: list[Object] = field(default_factory=list)
    finalizers: list[tuple[Object, list[str]]] = field(default_factory=list)
    remove: list[Object] = field(default_factory=list)
    statuses: list[tuple[Object, Object]] = field(default_factory=list)
    drop_later: str | None = None
    again_s: float | None = None

    def look_again(self, after_s: float) -> None:
        self.again_s = after_s if self.again_s is None else min(self.again_s, after_s)


def plan(seen: Seen, password: Callable[[], str]) -> Steps:
    """password: makes a random one."""
    steps = Steps()
    _sweep(seen, steps)
    if seen.instance is None:
        _without_instance(seen, steps)
        return steps
    found = standing(seen.instance, seen.users, seen.databases, seen.secrets)
    if not is_going(seen.instance):
        _own_secret(seen, seen.instance, steps, password)
    left: list[str] = []
    for obj in (*seen.users, *seen.databases):
        if meta.is_deleting(obj):
            left += _leave(seen, seen.instance, found, obj, steps)
        else:
            _keep_finalizer(obj, steps)
            _live(seen, seen.instance, found, obj, steps, password)
    _drop_later(seen, seen.instance, found, left, steps)
    return steps


def is_going(instance: Object) -> bool:
    """Whether it is on its way out; one that is protected serves on."""
    return meta.is_deleting(instance) and not instance["spec"].get("deletionProtection", True)


def is_suspended(instance: Object) -> bool:
    return bool(instance["spec"].get("suspended"))


def is_user(obj: Object) -> bool:
    return bool(obj["kind"] == MYSQL_USERS.kind)


def server_key(obj: Object) -> str:
    """As the primary names what the object stands for."""
    return f"account/{account_name(obj)}" if is_user(obj) else f"database/{database_name(obj)}"


def _without_instance(seen: Seen, steps: Steps) -> None:
    for obj in (*seen.users, *seen.databases):
        if meta.is_deleting(obj):
            _release(obj, steps)
        else:
            name = instance_of(obj)
            _say(
                seen, obj, ("False", "NoInstance", f"there is no MySQL {name} in this namespace: it counts as soon as there is"), {}, steps
            )


def _sweep(seen: Seen, steps: Steps) -> None:
    """Of an instance that has gone nothing is left to be dropped, and least of all from another one of the name."""
    for obj in seen.left_over:
        if meta.is_deleting(obj):
            _release(obj, steps)
        else:
            steps.remove.append(obj)


def _release(obj: Object, steps: Steps) -> None:
    if FINALIZER in meta.finalizers(obj):
        steps.finalizers.append((obj, [each for each in meta.finalizers(obj) if each != FINALIZER]))


def _keep_finalizer(obj: Object, steps: Steps) -> None:
    """Of a database only while its tables are to go with it."""
    is_wanted = is_user(obj) or obj["spec"].get("onDelete") == "drop"
    if is_wanted and FINALIZER not in meta.finalizers(obj):
        steps.finalizers.append((obj, [*meta.finalizers(obj), FINALIZER]))
    elif not is_wanted:
        _release(obj, steps)


# An object that is being deleted.


def _leave(seen: Seen, instance: Object, found: Standing, obj: Object, steps: Steps) -> list[str]:
    """Returns what is to be dropped later."""
    if not wanted.is_dropping(obj):
        return []
    entry = wanted.drop_entry(server_key(obj), meta.uid(obj))
    if is_going(instance) or wanted.is_wanted(entry, instance, found) or not _was_there(obj):
        _release(obj, steps)
        return []
    if is_suspended(instance):
        _release(obj, steps)
        return [server_key(obj)]
    heard = (seen.heard or {}).get(server_key(obj)) or {}
    if heard.get("version") == entry["version"] and not heard.get("error"):
        _release(obj, steps)
    else:
        _say(seen, obj, _dropping(instance, entry, heard), {}, steps)
    return []


def _was_there(obj: Object) -> bool:
    """Whether the server may have it. One that was always refused stands for nothing, and least of all for what has its name."""
    ready = meta.condition(obj, "Ready") or {}
    return bool((obj.get("status") or {}).get("applied")) or ready.get("reason") in ("Waiting", "Applied")


def _dropping(instance: Object, entry: Object, heard: Object) -> Said:
    what = f"{entry['kind']} {entry['name']}"
    if heard.get("version") == entry["version"]:
        return "False", "DropFailed", f"{what} is not dropped yet: {heard['error']}"
    return "False", "Dropping", f"{what} is dropped as soon as the primary of {meta.name(instance)} answers"


def _drop_later(seen: Seen, instance: Object, found: Standing, left: Sequence[str], steps: Steps) -> None:
    before = wanted.drop_later(instance)
    heard = seen.heard or {}

    def is_over(key: str) -> bool:
        entry = wanted.drop_entry(key, meta.uid(instance))
        return wanted.is_wanted(entry, instance, found) or (heard.get(key) or {}).get("version") == entry["version"]

    after = [*(each for each in before if not is_over(each)), *(each for each in left if each not in before)]
    if after != before:
        steps.drop_later = ",".join(after)


# An object that lives.


def _live(seen: Seen, instance: Object, found: Standing, obj: Object, steps: Steps, password: Callable[[], str]) -> None:
    if is_going(instance):
        gone: Said = ("False", "NoInstance", f"MySQL {meta.name(instance)} is being deleted")
        _say(seen, obj, gone, {}, steps)
    elif fault := found.faults.get(meta.uid(obj)):
        _say(seen, obj, _refusal(fault), _taken_up(instance), steps)
    elif is_user(obj):
        _live_user(seen, instance, found, obj, steps, password)
    else:
        said = _said(seen, instance, obj, wanted.database_entry(obj)["version"])
        _say(seen, obj, said, _taken_up(instance) | ({"applied": True} if said[0] == "True" else {}), steps)


def _taken_up(instance: Object) -> Object:
    return {"instanceUid": meta.uid(instance)}


def _refusal(fault: Fault) -> Said:
    return "False", fault.reason, fault.message


def _live_user(seen: Seen, instance: Object, found: Standing, user: Object, steps: Steps, password: Callable[[], str]) -> None:
    name = secret_of(user)
    secret = seen.secrets.get(name)
    if secret is None:
        reference = meta.owner_reference(user, MYSQL_USERS.api_version, MYSQL_USERS.kind)
        steps.secrets.append(rotation.made(user, reference, name, password()))
        return
    if _is_leftover(user, secret):
        steps.look_again(1.0)
        return
    keep_s = float(user["spec"].get("keepOldSeconds", 3600))
    if is_ours(user, secret):
        _turn(seen, user, secret, keep_s, steps, password)
    databases = [names.database(instance), *found.databases]
    said = _said(seen, instance, user, wanted.account_entry(user, secret, databases)["version"])
    fields: Object = _taken_up(instance) | {"secret": name, "oldValidUntil": _shown_until(secret, keep_s)}
    if said[0] == "True" or said[1] in (GRANTS_REFUSED, GRANTS_WAIT):
        fields |= {"applied": True, "secretVersion": meta.resource_version(secret), "rotatedAt": rotation.rotation_of(secret)}
        said = _with_grants(user, _with_rotation(user, secret, said))
    _say(seen, user, said, fields, steps)


def is_ours(user: Object, secret: Object) -> bool:
    """Whether it was made for this very account; one of somebody's is used and never changed."""
    return (meta.controller_of(secret) or {}).get("uid") == meta.uid(user)


def _is_leftover(user: Object, secret: Object) -> bool:
    """Whether it was made for an earlier MySQLUser of the name: the cluster removes it, and then it is made anew."""
    owner = meta.controller_of(secret) or {}
    return owner.get("kind") == MYSQL_USERS.kind and owner.get("name") == meta.name(user) and owner.get("uid") != meta.uid(user)


def _turn(seen: Seen, owner: Object, secret: Object, keep_s: float, steps: Steps, password: Callable[[], str]) -> None:
    changed = rotation.turned(secret, owner["spec"].get("rotatedAt") or "", keep_s, seen.now_s, password)
    if changed is not None:
        steps.secrets.append(changed)
    elif until := rotation.old_until(secret, keep_s):
        steps.look_again(max(1.0, until - seen.now_s))


def _own_secret(seen: Seen, instance: Object, steps: Steps, password: Callable[[], str]) -> None:
    secret = seen.secrets.get(own_secret(meta.name(instance)))
    if secret is None or not labels.is_of(instance, secret):
        return
    _turn(seen, instance, secret, rotation.KEEP_OWN_S, steps, password)
    heard = (seen.heard or {}).get(f"account/{names.account(meta.name(instance))}") or {}
    is_applied = heard.get("version") == wanted.own_entry(instance, secret)["version"] and not heard.get("error")
    rotated = rotation.rotation_of(secret)
    if is_applied and rotated != ((instance.get("status") or {}).get("rotatedAt") or ""):
        steps.statuses.append((instance, {"rotatedAt": rotated}))


def _shown_until(secret: Object, keep_s: float) -> str:
    until = rotation.old_until(secret, keep_s)
    return meta.rfc3339(until) if until else ""


def _with_rotation(user: Object, secret: Object, said: Said) -> Said:
    """What stands in the way of a rotation that was asked for, beside an account that works."""
    asked = user["spec"].get("rotatedAt") or ""
    if said != APPLIED or not asked or asked == rotation.rotation_of(secret):
        return said
    if not is_ours(user, secret):
        return "True", "SecretNotOurs", f"its password is not rotated: the Secret {meta.name(secret)} is yours, change the password there"
    return "True", "RotationWaits", "the password before the last still works, and a client may have it: keepOldSeconds 0 ends that"


def _with_grants(user: Object, said: Said) -> Said:
    """One right that nobody is given holds up neither the others, nor what was taken back, nor a password."""
    faults = check.grant_faults(user["spec"].get("grants") or ())
    if not faults:
        return said
    waiting = [said[2]] if said[1] in (GRANTS_REFUSED, GRANTS_WAIT) else []
    return "False", GRANTS_REFUSED, "; ".join([*faults, *waiting])


def _said(seen: Seen, instance: Object, obj: Object, version: str) -> Said:
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


def refused(obj: Object, why: str, now_s: float) -> Object:
    """The status of an account whose Secret the cluster does not take."""
    said = Steps()
    _say(Seen(None, now_s=now_s), obj, ("False", "Refused", f"the cluster refuses its Secret: {why}"), {}, said)
    return said.statuses[0][1] if said.statuses else {}


def _say(seen: Seen, obj: Object, said: Said, fields: Object, steps: Steps) -> None:
    """fields: of the status, beside its conditions; those that are not given stay."""
    status, reason, message = said
    old = obj.get("status") or {}
    generation = meta.generation(obj)
    new = {"type": "Ready", "status": status, "reason": reason, "message": message, "observedGeneration": generation}
    conditions = meta.with_condition(old.get("conditions"), new, meta.rfc3339(seen.now_s))
    changed = {"observedGeneration": generation, "conditions": conditions, **fields}
    if any(old.get(key) != value for key, value in changed.items() if value or old.get(key)):
        steps.statuses.append((obj, changed))
