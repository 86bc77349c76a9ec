"""BIRD's control socket: one command, one answer.

The lines of an answer begin with a code of four digits and a hyphen, or a space where the code is the line's before; a space after the
code ends the answer. Codes from 8000 on are refusals, from 9000 on commands that are not understood.
Source: BIRD 2.0 Programmer's Documentation, "Command line interface"; doc/reply_codes.
"""

import asyncio
import re
from pathlib import Path

TIMEOUT_S, MOST_BYTES = 10.0, 16 << 20
_LINE = re.compile(rb"(\d{4})([ -])(.*)")


class ControlFailure(Exception):
    """BIRD does not answer, or refuses; the text is BIRD's."""


async def ask(socket: Path, command: str, *, timeout_s: float = TIMEOUT_S) -> list[str]:
    """The lines of the answer, without codes. Raises ControlFailure."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(socket, limit=MOST_BYTES)
            try:
                await _answer(reader)
                writer.write(command.encode() + b"\n")
                return await _answer(reader)
            finally:
                writer.close()
    except TimeoutError as error:
        raise ControlFailure(f"BIRD has not answered within {timeout_s:g} s") from error
    except (OSError, EOFError, ValueError) as error:
        raise ControlFailure(f"BIRD does not answer: {error}") from error


async def _answer(reader: asyncio.StreamReader) -> list[str]:
    lines: list[str] = []
    size = 0
    while True:
        line = await reader.readuntil(b"\n")
        size += len(line)
        if size > MOST_BYTES:
            raise ControlFailure(f"BIRD's answer has more than {MOST_BYTES >> 20} MiB")
        found = _LINE.fullmatch(line.rstrip(b"\n"))
        text = (found[3] if found else line[1:].rstrip(b"\n")).decode(errors="replace")
        lines.append(text)
        if found and found[2] == b" ":
            if int(found[1]) >= 8000:
                raise ControlFailure("; ".join(each.strip() for each in lines if each.strip()))
            return lines
