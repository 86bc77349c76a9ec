"""Requests that wait for somebody's approval, in files beside what they are for. Everything here blocks."""

from pathlib import Path

from pilothouse.client.certificates.request import Asked, Subject
from pilothouse.model.json import JSONError, dumps, loads
from pilothouse.wire.pki import write_private


def load(path: Path, subject: Subject) -> Asked | None:
    """The request for that subject; None where there is none, or one for another, or what cannot be read."""
    try:
        stored = loads(path.read_bytes())
        found = Asked(str(stored["name"]), subject, str(stored["key"]).encode())
        return found if stored["subject"] == _shown(subject) else None
    except (OSError, JSONError, LookupError, TypeError):
        return None


def save(path: Path, asked: Asked) -> None:
    """Readable for its owner alone: the key is in it."""
    write_private(path, dumps({"name": asked.name, "subject": _shown(asked.subject), "key": asked.key.decode()}))


def forget(path: Path) -> None:
    path.unlink(missing_ok=True)


def _shown(subject: Subject) -> list[object]:
    return [subject.user, [*subject.groups], subject.signer, [*subject.addresses]]
