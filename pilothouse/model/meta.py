"""Reading and writing the metadata, owner references, conditions and times that every API object has.

Functions over plain dictionaries: an object is what JSON carries, and absent means empty. Nothing here changes its arguments.
Source: apimachinery/pkg/apis/meta/v1, apiserver/pkg/storage/names.
"""

import os
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from pilothouse.model.json import Object

NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
MAX_GENERATED_NAME = 63
SUFFIX_LENGTH = 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def name(obj: Object) -> str:
    found: str = (obj.get("metadata") or {}).get("name") or ""
    return found


def namespace(obj: Object) -> str:
    """The namespace, or "" for a cluster-scoped object."""
    found: str = (obj.get("metadata") or {}).get("namespace") or ""
    return found


def uid(obj: Object) -> str:
    found: str = (obj.get("metadata") or {}).get("uid") or ""
    return found


def resource_version(obj: Object) -> str:
    found: str = (obj.get("metadata") or {}).get("resourceVersion") or ""
    return found


def generation(obj: Object) -> int:
    return (obj.get("metadata") or {}).get("generation") or 0


def key(obj: Object) -> str:
    """`namespace/name`, or `name` for a cluster-scoped object: the key of caches and work queues."""
    metadata = obj.get("metadata") or {}
    space = metadata.get("namespace")
    own = metadata.get("name") or ""
    return f"{space}/{own}" if space else own


def labels(obj: Object) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def annotations(obj: Object) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def finalizers(obj: Object) -> list[str]:
    return (obj.get("metadata") or {}).get("finalizers") or []


def owner_references(obj: Object) -> list[Object]:
    return (obj.get("metadata") or {}).get("ownerReferences") or []


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the one controller that manages the object."""
    return next((owner for owner in owner_references(obj) if owner.get("controller")), None)


def owner_reference(owner: Object, api_version: str, kind: str, controller: bool = True) -> Object:
    """A reference to `owner` that blocks the owner's foreground deletion."""
    reference: Object = {
        "apiVersion": api_version,
        "kind": kind,
        "name": name(owner),
        "uid": uid(owner),
        "blockOwnerDeletion": True,
    }
    return reference | ({"controller": True} if controller else {})


def is_deleting(obj: Object) -> bool:
    return bool((obj.get("metadata") or {}).get("deletionTimestamp"))


def condition(obj: Object, type: str) -> Object | None:
    """The status condition of that type."""
    found = (obj.get("status") or {}).get("conditions") or []
    return next((each for each in found if each.get("type") == type), None)


def is_true(obj: Object, type: str) -> bool:
    """Whether the status condition of that type is present and "True"."""
    found = condition(obj, type)
    return found is not None and found.get("status") == "True"


def with_condition(conditions: Sequence[Object] | None, new: Object, now: str) -> list[Object]:
    """The conditions with `new` in the place of the one of its type (or last).

    now: the time as RFC 3339. `lastTransitionTime` becomes `now` only when the status differs from what it was.
    """
    kept = list(conditions or ())
    for position, old in enumerate(kept):
        if old.get("type") == new["type"]:
            same = old.get("status") == new["status"] and old.get("lastTransitionTime")
            kept[position] = new | {"lastTransitionTime": old["lastTransitionTime"] if same else now}
            return kept
    return [*kept, new | {"lastTransitionTime": now}]


def rfc3339(seconds: float) -> str:
    """A `Time`: whole seconds, UTC."""
    return _of_second(int(seconds // 1))


@lru_cache(maxsize=64)
def _of_second(second: int) -> str:
    """Remembered, since everything that is written within a second states it, some of it more than once."""
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    """A `MicroTime`: six digits, UTC."""
    return (_EPOCH + timedelta(microseconds=round(seconds * 1_000_000))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> float:
    """Seconds since the epoch; raises ValueError. Digits of the fraction past the sixth are dropped."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or len(text) < len("2006-01-02T15:04:05Z"):
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    return (moment - _EPOCH) / timedelta(seconds=1)


def new_uid() -> str:
    """A random UUID (RFC 9562, version 4). May be called in any thread."""
    while True:
        try:
            return _UIDS.pop()
        except IndexError:  # Another thread may have been quicker than the test for an empty list.
            _UIDS.extend(_uids())


def _uids() -> Iterator[str]:
    # Random bytes for many at a time: each call for some lets go of the interpreter, which another thread then keeps for a while.
    digits = os.urandom(16 * 256).hex()
    for at in range(0, len(digits), 32):
        part = digits[at : at + 32]
        variant = "89ab"[int(part[16], 16) & 3]
        yield f"{part[:8]}-{part[8:12]}-4{part[13:16]}-{variant}{part[17:20]}-{part[20:]}"


_UIDS: list[str] = []


def generate_name(base: str, rng: Any = random) -> str:
    """`base`, cut so that five random characters fit into a DNS label. rng: has `choices`, for tests that need the same names."""
    suffix = "".join(rng.choices(NAME_ALPHABET, k=SUFFIX_LENGTH))
    return base[: MAX_GENERATED_NAME - SUFFIX_LENGTH] + suffix
