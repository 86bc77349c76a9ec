"""Which segments of an archive are merged (pure): 60 into one, and 60 of those once more, so that each is rewritten twice at most.

A busy archive writes two segments a second: a million in a week are some hundred afterwards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pilothouse.platform.databases.inside.archive.events import same_format
from pilothouse.platform.databases.inside.archive.runs import Link, Run
from pilothouse.platform.databases.inside.archive.segment import Group, Name, Section

FAN = 60
MOST_BYTES = 64 << 20
"""Of a merged segment in the store: a change of it costs no more than to write that anew."""
SECTION_BYTES = 4 << 20
"""Of the log in a section: what is held at a time by whoever reads it."""


@dataclass(frozen=True, slots=True)
class Merge:
    """links: neighbours. name: of the segment that is made of them."""

    links: tuple[Link, ...]
    name: Name


def merges(run: Run, sizes: Mapping[Name, int], leave: frozenset[Name] = frozenset()) -> list[Merge]:
    """sizes: bytes in the store. leave: those that cannot be read."""
    found: list[Merge] = []
    for least, most in ((1, FAN), (FAN, FAN * FAN)):
        for begin, end in _chunks(run, sizes, leave, least, most):
            found.append(_merge(run, begin, end))
    return found


def _chunks(run: Run, sizes: Mapping[Name, int], leave: frozenset[Name], least: int, most: int) -> Iterator[tuple[int, int]]:
    """From and to which link: those that are complete, since one more would not fit in, and of two or more."""
    begin, span, size = 0, 0, 0
    for here, link in enumerate(run):
        name = link.name
        if not least <= name.span < most or name in leave:
            begin, span, size = here + 1, 0, 0
            continue
        if span and size + sizes[name] > MOST_BYTES:
            if here - begin > 1:
                yield begin, here
            begin, span, size = here, 0, 0
        span, size = span + name.span, size + sizes[name]
        if span >= most and here + 1 - begin > 1:
            yield begin, here + 1
            begin, span, size = here + 1, 0, 0


def _merge(run: Run, begin: int, end: int) -> Merge:
    links = tuple(run[begin:end])
    # What a failover has made void behind the last of them goes with it, or it would seem to go on from there.
    through = run[end].name.first - 1 if end < len(run) else links[-1].name.number
    return Merge(links, Name(through, links[0].name.after, links[-1].last, links[0].name.first))


def regrouped(found: Iterator[Section]) -> Iterator[Section]:
    """The same transactions in fewer sections."""
    held_format, held, size = b"", list[Group](), 0
    for format_event, groups in found:
        for group in groups:
            if held and (size + len(group.raw) > SECTION_BYTES or not same_format(held_format, format_event)):
                yield held_format, held
                held, size = [], 0
            if not held:
                held_format = format_event
            held.append(group)
            size += len(group.raw)
    if held:
        yield held_format, held
