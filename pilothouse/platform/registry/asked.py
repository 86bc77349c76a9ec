"""What nodes may ask of the registry: to read all of it, and to push what they have built.

They may delete nothing, and write neither base images, of which the builder's is one that runs with all rights on every node, nor
sources: those come from the first machine. A node's certificate that was stolen changes nothing that other nodes run by that, since
apps' images are named by their digest.
"""

import re
from typing import Any

import httptools

READS, WRITES = frozenset(["GET", "HEAD"]), frozenset(["POST", "PUT", "PATCH"])
KEPT = ("bases", "sources")
"""The first parts of the names of repositories that the first machine alone writes."""
_TARGET = re.compile(r"/v2/(?P<first>[a-z0-9][a-z0-9._-]*)/[A-Za-z0-9._:/-]+(?:\?.*)?")
"""Plain names alone: what the registry would decode, clean up or redirect is not a name that a builder writes."""
_LONGEST = 8192


class Refused(Exception):
    """What was asked for is not let through; the text says why."""


class Requests:
    """One connection's requests, in the order of their bytes."""

    def __init__(self) -> None:
        self._target = b""
        self._parser: Any = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Raises Refused, before which nothing of `data` may have been handed on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise Refused("the registry speaks HTTP alone") from error
        except httptools.HttpParserCallbackError as error:
            raise Refused(str(error.__context__ or "not a request to a registry")) from error
        except httptools.HttpParserError as error:
            raise Refused("not a request of HTTP/1.1") from error

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._target = b""

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > _LONGEST:
            raise Refused("a longer target than any of a registry")

    def on_headers_complete(self) -> None:
        why = refusal(self._parser.get_method().decode("latin-1"), self._target.decode("latin-1"))
        if why:
            raise Refused(why)


def refusal(method: str, target: str) -> str:
    """Why a node may not ask for this; "" when it may."""
    if method in READS:
        return ""
    if method not in WRITES:
        return f"nodes may not {method} in the registry"
    found = _TARGET.fullmatch(target)
    path = target.partition("?")[0]
    if found is None or "//" in path or {".", ".."} & set(path.split("/")):
        return f"nodes may not write to {target[:200]}"
    if found["first"] in KEPT:
        return f"nodes may not write to {found['first']}/, which the first machine does"
    return ""
