"""Objects that are being deleted: what they stood for is dropped from the server, now or when it runs again (pure)."""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.accounts import wanted
from pilothouse.platform.databases.mysql.accounts.names import FINALIZER
from pilothouse.platform.databases.mysql.accounts.saying import Said, say
from pilothouse.platform.databases.mysql.accounts.seen import Seen, Steps, is_going, is_suspended, is_user, server_key
from pilothouse.platform.databases.mysql.accounts.standing import Standing


def sweep(seen: Seen, steps: Steps) -> None:
    """Of an instance that has gone nothing is left to be dropped, and least of all from another one of the name."""
    for obj in seen.left_over:
        if meta.is_deleting(obj):
            release(obj, steps)
        else:
            steps.remove.append(obj)


def release(obj: Object, steps: Steps) -> None:
    if FINALIZER in meta.finalizers(obj):
        steps.finalizers.append((obj, [each for each in meta.finalizers(obj) if each != FINALIZER]))


def keep_finalizer(obj: Object, steps: Steps) -> None:
    """Of a database only while its tables are to go with it."""
    is_wanted = is_user(obj) or obj["spec"].get("onDelete") == "drop"
    if is_wanted and FINALIZER not in meta.finalizers(obj):
        steps.finalizers.append((obj, [*meta.finalizers(obj), FINALIZER]))
    elif not is_wanted:
        release(obj, steps)


def leave(seen: Seen, instance: Object, found: Standing, obj: Object, steps: Steps) -> list[str]:
    """Returns what is to be dropped later."""
    if not wanted.is_dropping(obj):
        return []
    entry = wanted.drop_entry(server_key(obj), meta.uid(obj))
    if is_going(instance) or wanted.is_wanted(entry, instance, found) or not _was_there(obj):
        release(obj, steps)
        return []
    if is_suspended(instance):
        release(obj, steps)
        return [server_key(obj)]
    heard = (seen.heard or {}).get(server_key(obj)) or {}
    if heard.get("version") == entry["version"] and not heard.get("error"):
        release(obj, steps)
    else:
        say(seen, obj, _dropping(instance, entry, heard), {}, steps)
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


def drop_later(seen: Seen, instance: Object, found: Standing, left: Sequence[str], steps: Steps) -> None:
    before = wanted.drop_later(instance)
    heard = seen.heard or {}

    def is_over(key: str) -> bool:
        entry = wanted.drop_entry(key, meta.uid(instance))
        return wanted.is_wanted(entry, instance, found) or (heard.get(key) or {}).get("version") == entry["version"]

    after = [*(each for each in before if not is_over(each)), *(each for each in left if each not in before)]
    if after != before:
        steps.drop_later = ",".join(after)
