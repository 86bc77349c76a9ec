"""What the accounts and databases of an instance need next (pure).

The order: a finalizer before anything can be in the server, a Secret before its account, the new password into the Secret before the
server learns of it, the status after the server has said that it has it. An object that is being deleted goes when the server has
dropped what it stood for; at once where there is no server that could, and then what is left is dropped when it runs again.
"""

from collections.abc import Callable

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names
from pilothouse.platform.databases.mysql.accounts import rotation, wanted
from pilothouse.platform.databases.mysql.accounts.leaving import drop_later, keep_finalizer, leave, release, sweep
from pilothouse.platform.databases.mysql.accounts.names import instance_of, own_secret, secret_of
from pilothouse.platform.databases.mysql.accounts.saying import (
    GRANTS_REFUSED,
    GRANTS_WAIT,
    Said,
    is_ours,
    said_of,
    say,
    with_grants,
    with_rotation,
)
from pilothouse.platform.databases.mysql.accounts.seen import Seen, Steps, is_going, is_user
from pilothouse.platform.databases.mysql.accounts.standing import Fault, Standing, standing
from pilothouse.platform.databases.resource import MYSQL_USERS


def plan(seen: Seen, password: Callable[[], str]) -> Steps:
    """password: makes a random one."""
    steps = Steps()
    sweep(seen, steps)
    if seen.instance is None:
        _without_instance(seen, steps)
        return steps
    found = standing(seen.instance, seen.users, seen.databases, seen.secrets)
    if not is_going(seen.instance):
        _own_secret(seen, seen.instance, steps, password)
    left: list[str] = []
    for obj in (*seen.users, *seen.databases):
        if meta.is_deleting(obj):
            left += leave(seen, seen.instance, found, obj, steps)
        else:
            keep_finalizer(obj, steps)
            _live(seen, seen.instance, found, obj, steps, password)
    drop_later(seen, seen.instance, found, left, steps)
    return steps


def _without_instance(seen: Seen, steps: Steps) -> None:
    for obj in (*seen.users, *seen.databases):
        if meta.is_deleting(obj):
            release(obj, steps)
        else:
            name = instance_of(obj)
            say(seen, obj, ("False", "NoInstance", f"there is no MySQL {name} in this namespace: it counts as soon as there is"), {}, steps)


def _live(seen: Seen, instance: Object, found: Standing, obj: Object, steps: Steps, password: Callable[[], str]) -> None:
    if is_going(instance):
        gone: Said = ("False", "NoInstance", f"MySQL {meta.name(instance)} is being deleted")
        say(seen, obj, gone, {}, steps)
    elif fault := found.faults.get(meta.uid(obj)):
        say(seen, obj, _refusal(fault), _taken_up(instance), steps)
    elif is_user(obj):
        _live_user(seen, instance, found, obj, steps, password)
    else:
        said = said_of(seen, instance, obj, wanted.database_entry(obj)["version"])
        say(seen, obj, said, _taken_up(instance) | ({"applied": True} if said[0] == "True" else {}), steps)


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
    said = said_of(seen, instance, user, wanted.account_entry(user, secret, databases)["version"])
    fields: Object = _taken_up(instance) | {"secret": name, "oldValidUntil": _shown_until(secret, keep_s)}
    if said[0] == "True" or said[1] in (GRANTS_REFUSED, GRANTS_WAIT):
        fields |= {"applied": True, "secretVersion": meta.resource_version(secret), "rotatedAt": rotation.rotation_of(secret)}
        said = with_grants(user, with_rotation(user, secret, said))
    say(seen, user, said, fields, steps)


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
