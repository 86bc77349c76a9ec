"""Aligned columns that fit a terminal: the widest ones are folded, nothing is left out."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import click

from pilothouse.cli import terminal

GAP = 2
LEAST = 12
"""A column is not made narrower than this: where even that does not fit, the terminal breaks the lines."""


def lines(rows: Sequence[Sequence[str]], room: int | None) -> Iterator[str]:
    """Columns as wide as their widest cell, two spaces apart, no trailing blanks. room: columns of the terminal, None for any."""
    by_column = [[row[i] for row in rows] for i in range(len(rows[0]))]
    widths = [max(map(_width, column)) for column in by_column]
    if room is not None:
        # Sentences first: a name or an address that is broken cannot be copied.
        words = [max((_width(word) for cell in column for word in cell.split()), default=0) for column in by_column]
        widths = _fitting(_fitting(widths, room, least=words), room, least=[LEAST] * len(widths))
    for row in rows:
        folded = [_folded(cell, width) for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*folded, fillvalue=""):
            padded = [f"{part}{' ' * (width - _width(part) + GAP)}" for part, width in zip(parts, widths, strict=True)]
            yield "".join(padded).rstrip()


def _width(cell: str) -> int:
    return terminal.width(click.unstyle(cell))


def _fitting(widths: list[int], room: int, *, least: list[int]) -> list[int]:
    """The widths, the widest ones made smaller until all fit, none smaller than its least."""
    narrowed = list(widths)
    for _ in range(max(0, sum(widths) + GAP * (len(widths) - 1) - room)):
        shrinkable = [i for i, width in enumerate(narrowed) if width > least[i]]
        if not shrinkable:
            break
        narrowed[max(shrinkable, key=narrowed.__getitem__)] -= 1
    return narrowed


def _folded(cell: str, width: int) -> list[str]:
    """The cell's lines: broken at blanks, a word that is too long anywhere. A coloured cell is a word and stays whole."""
    if _width(cell) <= width or click.unstyle(cell) != cell:
        return [cell]
    found, line = [], ""
    for word in cell.split():
        if line and terminal.width(f"{line} {word}") > width:
            found.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while terminal.width(line) > width:
            head = terminal.cut(line, width + 1).removesuffix(terminal.ELLIPSIS)
            found.append(head)
            line = line[len(head) :]
    return [*found, line] if line else found
