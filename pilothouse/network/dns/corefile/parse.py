"""From the text of a Corefile to its blocks."""

from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.network.dns.corefile.blocks import Plugins
from pilothouse.network.dns.corefile.types import Block, Configuration, root
from pilothouse.network.dns.corefile.words import CorefileError, Line, lines, zone_of

MOST_BYTES = 256 << 10
MOST_BLOCKS = 100
MOST_EXPRESSIONS = 100
"""Each takes up to some milliseconds of the event loop to compile, and a quarter of a mebibyte."""
PORT = "53"

__all__ = ["CorefileError", "parse"]


@dataclass(frozen=True, slots=True)
class _Server:
    """A block as it is written: the line that begins it, and those inside."""

    head: Line
    body: tuple[Line, ...]


def parse(text: str, zone: str, ttl_s: int) -> Configuration:
    """zone: of the cluster. ttl_s: of its records where nothing else is said.

    Without a block for all other names what holds by default goes on to hold for them. Raises CorefileError.
    """
    if len(text.encode()) > MOST_BYTES:
        raise CorefileError(f"the Corefile has more than {MOST_BYTES >> 10} KiB", 0)
    blocks: list[Block] = []
    known: set[tuple[str, ...]] = set()
    for server in _servers(lines(text)):
        block = Plugins(_zones(server.head), zone, ttl_s, server.head).read(server.body)
        for each in block.zones:
            if each in known:
                raise CorefileError(f'"{".".join(each) or "."}" has a block already', server.head.number)
            known.add(each)
        blocks.append(block)
        if sum(rule.kind == "regex" for each in blocks for rule in each.rewrites) > MOST_EXPRESSIONS:
            raise CorefileError(f"there are more than {MOST_EXPRESSIONS} regular expressions", server.head.number)
        if len(blocks) > MOST_BLOCKS:
            raise CorefileError(f"there are more than {MOST_BLOCKS} blocks", server.head.number)
    return Configuration(tuple(blocks) if () in known else (*blocks, root(ttl_s)))


def _servers(found: Iterator[Line]) -> Iterator[_Server]:
    for head in found:
        if head.words[-1] != "{":
            raise CorefileError(f'a block begins with its zones and "{{", not with "{head.words[0]}"', head.number)
        body: list[Line] = []
        depth = 1
        for line in found:
            depth += (line.words[-1] == "{") - (line.words == ("}",))
            if not depth:
                break
            body.append(line)
        else:
            raise CorefileError("the block that begins here does not end", head.number)
        yield _Server(head, tuple(body))


def _zones(head: Line) -> tuple[tuple[str, ...], ...]:
    words = [word.rstrip(",") for word in head.words[:-1]]
    if not words:
        raise CorefileError("a block needs the zones that it is for", head.number)
    return tuple(dict.fromkeys(_zone(word, head.number) for word in words))


def _zone(word: str, number: int) -> tuple[str, ...]:
    name = word.removeprefix("dns://")
    zone, _, port = name.partition(":")
    if "//" in zone or (":" in name and port != PORT):
        raise CorefileError(f'"{word}": names are served over DNS on port {PORT} alone', number)
    return zone_of(zone or ".", number)
