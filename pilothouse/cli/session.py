"""What every command shares: the instance, the connection to its cluster, and one way to run asynchronous work."""

import asyncio
import shlex
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pilothouse.cli.settings.home import Home

if TYPE_CHECKING:
    from pilothouse.client.client import Client

T = TypeVar("T")


class Session:
    """What every command needs: the instance's home and how much to say."""

    def __init__(self, home: Home, kubeconfig: str | None, verbose: bool) -> None:
        self.home = home
        self.kubeconfig = Path(kubeconfig) if kubeconfig else home.kubeconfig
        self.verbose = verbose

    def command(self, words: str) -> str:
        """`ph WORDS` with the global options by which it works on the same instance or cluster; to be copied from a message."""
        foreign = [] if self.kubeconfig == self.home.kubeconfig else ["--kubeconfig", shlex.quote(str(self.kubeconfig))]
        return " ".join(["ph", *self.home.options(), *foreign, words])


pass_session = click.make_pass_decorator(Session)


def copyable(words: str, namespace: str = "default") -> str:
    """`ph WORDS` for a message of the command that runs: for the same instance and namespace, to be copied as it is."""
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context is not None else None
    placed = words if namespace == "default" else f"{words} -n {shlex.quote(namespace)}"
    return session.command(placed) if session is not None else f"ph {placed}"


NAMESPACE = click.option("-n", "--namespace", default="default", show_default=True, help="The namespace to work in.")


@asynccontextmanager
async def connected(session: Session) -> AsyncIterator["Client"]:
    """A client of the session's cluster; a sentence and the way out when there is none."""
    from pilothouse.client.client import Client
    from pilothouse.client.http import HttpTransport
    from pilothouse.client.kubeconfig import load

    if session.kubeconfig == session.home.kubeconfig and not session.kubeconfig.exists():
        raise click.ClickException(f"there is no cluster at {session.home.path}: start one with `{session.command('up')}`")
    client = Client(HttpTransport(load(session.kubeconfig)), field_manager="ph")
    try:
        yield client
    finally:
        await client.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part; Ctrl-C and SIGTERM cancel it, so that it can clean up."""

    async def interruptible() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return asyncio.run(interruptible())
