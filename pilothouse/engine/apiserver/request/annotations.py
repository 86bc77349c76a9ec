"""What stages, admission and webhooks note about a request for the audit log: texts by key, bounded.

The last text of a key counts: a write whose commit was lost is judged again, and what is stored rests on the last judgement.
"""

from collections.abc import Mapping

_MOST_KEYS = 100
_MOST_CHARACTERS = 64 * 1024
_CUT_TO = 8 * 1024


class Annotations:
    """A text is cut to 8 KiB; what makes more than 100 keys or 64 KiB together is dropped."""

    __slots__ = ("_size", "_texts")

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._size = 0

    def add(self, key: str, text: str) -> None:
        text = text[:_CUT_TO]
        size = self._size + len(key) + len(text)
        if key in self._texts:
            size -= len(key) + len(self._texts[key])
        if size > _MOST_CHARACTERS or (key not in self._texts and len(self._texts) >= _MOST_KEYS):
            return
        self._texts[key] = text
        self._size = size

    def get(self, key: str) -> str | None:
        return self._texts.get(key)

    def texts(self) -> Mapping[str, str]:
        return self._texts
