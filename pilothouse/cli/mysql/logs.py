"""`ph mysql logs`: what servers complain of, and which queries were slow."""

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pilothouse.cli.mysql import completing, values
from pilothouse.cli.mysql.inside import DATABASE, streamed
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run

if TYPE_CHECKING:
    from pilothouse.client.client import Client

LINES = 200
SLOW_LOG = "/data/log/slow.log"


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a member is read."""

    namespace: str
    slow: bool
    follow: bool
    tail: int


@click.command()
@values.INSTANCE
@NAMESPACE
@click.option("--slow", is_flag=True, help="The log of slow queries, instead of that of errors.")
@click.option("-f", "--follow", is_flag=True, help="Go on as more is written.")
@click.option("--tail", type=click.IntRange(0), default=LINES, show_default=True, help="Lines of each member to begin with.")
@click.option("--member", metavar="MEMBER", shell_complete=completing.members, help="Only of this member.")
@pass_session
def logs(session: Session, instance: str, namespace: str, slow: bool, follow: bool, tail: int, member: str | None) -> None:
    """Print the servers' error logs or slow queries; with several members each line says whose it is.

    \b
    Examples:
      ph mysql logs orders
      ph mysql logs orders -f --member orders-1
      ph mysql logs orders --slow --tail 50
    """
    run(_logs(session, instance, member, Reading(namespace, slow, follow, tail)))


async def _logs(session: Session, name: str, member: str | None, reading: Reading) -> None:
    from pilothouse.aio.tasks import scope
    from pilothouse.cli.mysql.lookup import find_instance, members, require_member, require_running

    async with connected(session) as client:
        instance = await find_instance(client, name, reading.namespace)
        require_running(instance)
        wanted = [require_member(instance, member)] if member is not None else members(instance)
        async with scope() as tasks:
            for each in wanted:
                tasks.spawn(_print(client, each, reading, f"{each} | " if len(wanted) > 1 else ""))


async def _print(client: "Client", member: str, reading: Reading, prefix: str) -> None:
    rest, start = b"", prefix.encode()
    async with aclosing(_pieces(client, member, reading)) as pieces:
        async for piece in pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                sys.stdout.buffer.write(start + line + b"\n")
            sys.stdout.buffer.flush()
    if rest:
        sys.stdout.buffer.write(start + rest + b"\n")
        sys.stdout.buffer.flush()


async def _pieces(client: "Client", member: str, reading: Reading) -> AsyncGenerator[bytes, None]:
    if reading.slow:
        follow = ["--follow=name", "--retry"] if reading.follow else []
        async for piece in streamed(client, member, reading.namespace, DATABASE, ["tail", *follow, "-n", str(reading.tail), SLOW_LOG]):
            yield piece
        return
    async with client.logs(member, reading.namespace, container=DATABASE, follow=reading.follow, tail_lines=reading.tail) as pieces:
        async for piece in pieces:
            yield piece
