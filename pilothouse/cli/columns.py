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
    widths = _fitting([max(_width(row[i]) for row in rows) for i in range(len(rows[0]))], room)
    for row in rows:
        folded = [_folded(cell, width) for cell, width in zip(row, widths, strict=True)]
        for parts in zip_longest(*folded, fillvalue=""):
            cells = zip(parts, widths, strict=True)
            yield "".join(f"{part}{' ' * (width - _width(part) + GAP)}" for part, width in cells).rstrip()


def _width(cell: str) -> int:
    return terminal.width(click.unstyle(cell))


def _fitting(widths: list[int], room: int | None) -> list[int]:
    """The widths, the widest ones made smaller until all fit."""
    excess = 0 if room is None else sum(widths) + GAP * (len(widths) - 1) - room
    for _ in range(max(0, excess)):
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= LEAST:
            break
        widths[widest] -= 1
    return widths


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
