"""Programs that are run in a member's containers, through the API server and without a shell that sees a user's text."""

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.client.session import STDERR, Session

if TYPE_CHECKING:
    from pilothouse.client.client import Client

DATABASE, AGENT = "database", "agent"
"""The containers of a member."""


async def ran(client: "Client", member: str, namespace: str, container: str, words: Sequence[str], given: bytes = b"") -> bytes:
    """What the program printed; raises ClickException with what it complained of when it failed. given: its standard input."""
    printed: list[bytes] = []
    complained: list[bytes] = []
    async with client.exec(member, namespace, words, container=container, stdin=bool(given)) as socket:
        session = Session(socket)
        if given:
            await session.send(given)
            await session.close_stdin()
        while (piece := await session.receive()) is not None:
            (complained if piece.channel == STDERR else printed).append(piece.data)
    if session.exit_code:
        said = output.harmless(b"".join(complained).decode(errors="replace").strip())
        raise click.ClickException(f"{member}: {said or f'{words[0]} ended with exit code {session.exit_code}'}")
    return b"".join(printed)


async def streamed(client: "Client", member: str, namespace: str, container: str, words: Sequence[str]) -> AsyncGenerator[bytes, None]:
    """What the program prints, as it comes. What it complains of is a ClickException at its end, where it failed."""
    complained = b""
    async with client.exec(member, namespace, words, container=container) as socket:
        session = Session(socket)
        while (piece := await session.receive()) is not None:
            if piece.channel == STDERR:
                complained = (complained + piece.data)[-4096:]
            else:
                yield piece.data
    if session.exit_code:
        said = output.harmless(complained.decode(errors="replace").strip())
        raise click.ClickException(f"{member}: {said or f'{words[0]} ended with exit code {session.exit_code}'}")
