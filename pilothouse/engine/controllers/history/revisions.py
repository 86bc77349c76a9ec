"""What is read from and decided about ControllerRevisions. Pure: an owner and its revisions in, objects out.

A revision keeps the template as a strategic merge patch that puts it back, which is what `kubectl rollout undo` sends.
Source: Kubernetes 1.36, pkg/controller/history and getPatch of the StatefulSet and DaemonSet controllers. The hash is ours:
upstream's hashes bytes of its own encoding; it only has to be stable.
"""

import zlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import STATEFULSETS
from pilothouse.model.resource import Resource

HASH_LABEL = "controller.kubernetes.io/hash"
POD_LABEL = "controller-revision-hash"
MOST_PREFIX = 223
"""Characters of the owner's name in a revision's, so that the hash always fits."""
MOST_LABELLED_PREFIX = 52
"""Of a StatefulSet's: its pods are labelled with the name of their revision, and a label has 63 characters at most."""
_REPLACE = "$patch"


class Choice(NamedTuple):
    """update: the revision of the owner's template. is_new: it has to be created. number: what its revision number is to be."""

    update: Object
    is_new: bool
    number: int


def data_of(owner: Object) -> Object:
    """The patch that restores the owner's template. Keys are sorted: kubectl compares the text with one that it makes itself."""
    template = (owner.get("spec") or {}).get("template") or {}
    data = _sorted({"spec": {"template": template | {_REPLACE: "replace"}}})
    assert isinstance(data, dict)
    return data


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def template_of(revision: Object) -> Object | None:
    """The template that a revision keeps; None of one that somebody else has written in another form."""
    spec = (revision.get("data") or {}).get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    if not isinstance(template, dict) or template.get(_REPLACE) != "replace":
        return None
    return {key: value for key, value in template.items() if key != _REPLACE}


def hash_of(data: Object, collisions: int) -> str:
    """Ten characters or fewer; collisions: how many names were found taken, which makes another hash of the same data."""
    letters = meta.NAME_ALPHABET
    digits = str(zlib.crc32(repr((_sorted(data), collisions)).encode()))
    return "".join(letters[ord(digit) % len(letters)] for digit in digits)


def name_of(owner: Object, resource: Resource, hash_: str) -> str:
    """Unlike upstream's, pods of a StatefulSet with a long name can have their revision's name as a label."""
    most = MOST_LABELLED_PREFIX if resource == STATEFULSETS else MOST_PREFIX
    return f"{meta.name(owner)[:most]}-{hash_}"


def build(owner: Object, resource: Resource, number: int, collisions: int) -> Object:
    """The revision of the owner's template, labelled as its pods are and with its hash."""
    data = data_of(owner)
    hash_ = hash_of(data, collisions)
    labels = ((owner["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    metadata: Object = {
        "name": name_of(owner, resource, hash_),
        "namespace": meta.namespace(owner),
        "labels": labels | {HASH_LABEL: hash_, POD_LABEL: hash_},
        "ownerReferences": [meta.owner_reference(owner, resource.api_version, resource.kind)],
    }
    if meta.annotations(owner):
        metadata["annotations"] = dict(meta.annotations(owner))
    return {"metadata": metadata, "data": data, "revision": number}


def number(revision: Object) -> int:
    return int(revision.get("revision") or 0)


def hash_label(revision: Object) -> str:
    """What pods of the revision are labelled with where it is not the revision's name."""
    found = meta.labels(revision)
    return found.get(POD_LABEL) or found.get(HASH_LABEL) or meta.name(revision).rpartition("-")[2]


def in_order(revisions: Collection[Object]) -> list[Object]:
    """Lowest number first; of equal ones the older, then by name."""
    return sorted(revisions, key=lambda each: (number(each), each["metadata"].get("creationTimestamp") or "", meta.name(each)))


def is_same(revision: Object, data: Object) -> bool:
    return bool((revision.get("data") or {}) == data)


def choose(owner: Object, resource: Resource, revisions: Collection[Object], collisions: int) -> Choice:
    """Which revision the owner's template has.

    The newest when it is that template's; an older one, which is given the highest number (the owner has gone back to it); else
    one that has to be created.
    """
    ordered = in_order(revisions)
    data = data_of(owner)
    same = [each for each in ordered if is_same(each, data)]
    following = number(ordered[-1]) + 1 if ordered else 1
    if not same:
        return Choice(build(owner, resource, following, collisions), True, following)
    update = same[-1]
    return Choice(update, False, number(update) if update is ordered[-1] else following)


def named(revisions: Collection[Object], name: str) -> Object | None:
    return next((each for each in revisions if meta.name(each) == name), None)


def surplus(revisions: Collection[Object], live: Collection[str], limit: int | None) -> Sequence[Object]:
    """What is beyond the history limit, lowest number first.

    live: names of revisions that are current or that pods are of; they are kept and do not count. limit: None keeps all.
    """
    if limit is None or limit < 0:
        return []
    old = [each for each in in_order(revisions) if meta.name(each) not in live and not meta.is_deleting(each)]
    return old[: max(0, len(old) - limit)]
