"""What strict field validation says of a body: fields that came twice, and fields that nobody knows.

Go finds both while it decodes into a typed object, so they come in the order of the text, and what is in an unknown field is not looked
at. What has no type (custom resources, merge patches) is first read as it is, and then compared with its schema.
Source: sigs.k8s.io/json, which stops at a hundred.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pilothouse.engine.apiserver.request.body import Document
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.model.body import SLOWLY_BYTES, fields
from pilothouse.model.errors import shortened

_MOST = 100


class Complaints(NamedTuple):
    """texts: at most a hundred, in upstream's order. more: how many there are beyond these."""

    texts: Sequence[str] = ()
    more: int = 0

    def sentence(self) -> str:
        """All of them, as far as a person would read them."""
        return "strict decoding error: " + ", ".join([*map(shortened, self.texts), *([f"and {self.more} more"] if self.more else [])])

    def warn(self, request: ApiRequest) -> None:
        for text in self.texts:
            request.warn(text)


def of_untyped(doubts: Sequence[str], unknown: Sequence[str]) -> Complaints:
    return _first([*doubts, *(f'unknown field "{path}"' for path in unknown[:_MOST])], len(doubts) + len(unknown))


def of_typed(found: Document, unknown: Sequence[str]) -> Complaints:
    """Of a body that is decoded into a built-in kind."""
    if not found.duplicates or not unknown:
        return of_untyped(found.doubts, unknown)
    if len(found.raw) > SLOWLY_BYTES:
        known = [path for path in found.duplicates if path not in set(unknown)]
        return of_untyped([f'duplicate field "{path}"' for path in known], unknown)
    texts = _in_order(found.raw, frozenset(unknown))
    return _first(texts, len(texts))


def _in_order(raw: bytes, unknown: frozenset[str]) -> list[str]:
    found: dict[str, None] = {}
    passing = ""
    for path, again in fields(raw):
        if passing and path.startswith((f"{passing}.", f"{passing}[")):
            continue
        passing = path if path in unknown else ""
        if passing:
            found[f'unknown field "{path}"'] = None
        elif again:
            found[f'duplicate field "{path}"'] = None
    return list(found)


def _first(texts: Sequence[str], number: int) -> Complaints:
    shown = texts[:_MOST]
    return Complaints(shown, number - len(shown))
