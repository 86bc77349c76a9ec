"""The app of a binding: whether it is given the variables, and whether it serves with them (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding import objects
from pilothouse.platform.databases.pattern.binding.app import Serving, names_secret, serving_with
from pilothouse.platform.databases.pattern.binding.names import app_of, prefix_of, secret_of, variables_of
from pilothouse.platform.databases.pattern.binding.seen import Seen
from pilothouse.platform.databases.pattern.binding.service import Connection


def with_secret(app: Object | None, name: str) -> list[str] | None:
    if app is None or meta.is_deleting(app) or names_secret(app, name):
        return None
    return [*(app["spec"].get("secrets") or ()), name]


def serving_of(binding: Object, seen: Seen, connection: Connection | None, secret: Object | None) -> Serving | None:
    """None as long as it has not got that far that the app could serve with the newest variables."""
    if seen.app is None or seen.secret is None or connection is None or secret is not None:
        return None
    return serving_with(seen.app, seen.secret) if names_secret(seen.app, secret_of(binding)) else None


def rotated_with(binding: Object, seen: Seen, serving: Serving | None) -> str:
    """The rotation that the app serves with; without an app, that of the variables: nobody is left who has the old password."""
    before = str((binding.get("status") or {}).get("rotatedAt") or "")
    if seen.account is None or seen.password is None or seen.secret is None:
        return before
    is_there = serving.is_good if serving is not None else seen.app is None
    is_newest = objects.rotation_of(seen.secret) == ((seen.account.get("status") or {}).get("rotatedAt") or "")
    return objects.rotation_of(seen.secret) if is_there and is_newest else before


def conflict_of(binding: Object, seen: Seen) -> str:
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
