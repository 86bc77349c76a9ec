"""Copies of an app's Secrets that never change, so that a revision keeps the values it was rolled out with (pure).

A pod reads a copy, never the Secret that the spec names: a changed value is a new copy, hence a new state that is rolled out,
and a replica of an older revision that is started again meets the values of its own time. Copies are numbered and compared by
content; the app is in the name, since several may read one Secret, and nothing of it is made from the values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import kinds, meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object
from pilothouse.platform.apps import objects

OF = "apps.pilothouse.dev/copy-of"
"""Label of a copy: the Secret that it was made from."""
NUMBER = "apps.pilothouse.dev/copy-number"

WRITTEN_WITH = "apps.pilothouse.dev/written-with"
"""Annotation of a Secret and of an App that are written one after the other and belong together: the time, RFC 3339."""
HOLD_S = 10
"""How long a Secret waits for the App that was to be written with it, in case that never comes."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """names: Secret of the spec -> its copy; a Secret that does not exist is not in it. made: copies to create."""

    names: Mapping[str, str] = field(default_factory=dict)
    made: Sequence[Object] = ()


def pin(app: Object, live: Mapping[str, Object], copies: Sequence[Object]) -> Pinned:
    """live: the Secrets that the spec names, by name, as far as they exist. copies: those that the app owns."""
    names: dict[str, str] = {}
    made: list[Object] = []
    for name in app["spec"].get("secrets") or []:
        if name not in live:
            continue
        same = _same(live[name], [copy for copy in copies if copy_of(copy) == name])
        if same is None:
            same = _copy(app, live[name], copies)
            made.append(same)
        names[name] = meta.name(same)
    return Pinned(names, made)


def held(app: Object, live: Mapping[str, Object], now_s: float) -> set[str]:
    """Secrets whose change is not looked at yet, because the App that belongs to it is about to be written."""
    return {name for name, secret in live.items() if _is_ahead(app, secret, now_s)}


def _is_ahead(app: Object, secret: Object, now_s: float) -> bool:
    written = meta.annotations(secret).get(WRITTEN_WITH, "")
    if not written or written == meta.annotations(app).get(WRITTEN_WITH):
        return False
    try:
        age_s = now_s - meta.parse_rfc3339(written)
    except ValueError:
        return False
    return -HOLD_S < age_s < HOLD_S


def copy_of(secret: Object) -> str:
    return meta.annotations(secret).get(OF, "")


def unneeded(copies: Sequence[Object], needed: set[str]) -> list[Object]:
    """needed: names of copies that the current state or a kept revision reads."""
    return [copy for copy in copies if meta.name(copy) not in needed and not meta.is_deleting(copy)]


def _same(secret: Object, copies: Sequence[Object]) -> Object | None:
    wanted = secret.get("data") or {}
    return next((copy for copy in copies if (copy.get("data") or {}) == wanted and not meta.is_deleting(copy)), None)


def _copy(app: Object, secret: Object, copies: Sequence[Object]) -> Object:
    name = meta.name(secret)
    numbers = [natural(meta.annotations(copy).get(NUMBER, "")) or 0 for copy in copies if copy_of(copy) == name]
    number = max(numbers, default=0) + 1
    made = f"{objects.within(name, 200)}-{objects.fingerprint([meta.name(app), name])}-{number}"
    metadata = objects.metadata(app, made) | {"annotations": {OF: name, NUMBER: str(number)}}
    return {
        "apiVersion": kinds.SECRETS.api_version,
        "kind": kinds.SECRETS.kind,
        "metadata": metadata,
        "type": "Opaque",
        "data": secret.get("data") or {},
        "immutable": True,
    }
