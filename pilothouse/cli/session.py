"""What every command shares: the instance, the connection to its cluster, and one way to run asynchronous work."""

import asyncio
import re
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pilothouse.cli import names
from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.model.names import dns1123_label

if TYPE_CHECKING:
    from pilothouse.client.client import Client

T = TypeVar("T")


def program() -> str:
    """How to call `ph` in a message: by its name where the shell finds it, else by the path with which it was called."""
    called = Path(sys.argv[0])
    return shlex.quote(str(called)) if called.name == "ph" and shutil.which("ph") is None else "ph"


class Session:
    """What every command needs: the instance's home and how much to say. namespace: the one given to the command that runs."""

    def __init__(self, home: Home, kubeconfig: str | None, verbose: bool) -> None:
        self.home = home
        self.kubeconfig = Path(kubeconfig) if kubeconfig else home.kubeconfig
        self.verbose = verbose
        self.namespace = "default"

    def command(self, words: str) -> str:
        """`ph WORDS` with the global options by which it works on the same instance or cluster; to be copied from a message."""
        foreign = [] if self.is_local else ["--kubeconfig", shlex.quote(str(self.kubeconfig))]
        return " ".join([program(), *self.home.options(), *foreign, words])

    @property
    def is_local(self) -> bool:
        """Whether it works on the instance of its home, and not on a cluster of another kubeconfig."""
        return self.kubeconfig.absolute() == self.home.kubeconfig

    def absent(self) -> str:
        """The sentence for a home without an instance, or without a control plane."""
        if server := self._joined():
            return (
                f"{self.home.path} is a node of the cluster at {server}: this command works with that cluster's kubeconfig "
                "(`ph --kubeconfig FILE`), or on the machine of its control plane"
            )
        return f"there is no cluster at {self.home.path}: start one with `{self.command('up')}`"

    def _joined(self) -> str:
        """The API server of the cluster that the home is a node of; "" for an instance with a control plane of its own."""
        try:
            settings = Settings.load(self.home)
        except SettingsError:
            return ""
        return settings.server if settings is not None else ""


pass_session = click.make_pass_decorator(Session)
NAMESPACED = frozenset(
    (
        *("apps", "audit", "bind", "compose", "delete", "deploy", "env", "exec", "git-remote"),
        *("kubectl", "lb", "logs", "mysql", "open", "restart", "rollback", "scale", "trace", "unbind", "volumes", "why"),
    )
)
"""The commands that take -n."""
_CLUSTER_WIDE = frozenset(("namespace", "nodes", "ingressclass"))
"""The kinds without a namespace that messages name in `ph kubectl VERB KIND`."""
_NAMED_COMMAND = re.compile(r"`ph (?!--home |--kubeconfig )([^`]+)`(?! on the first machine)")
"""Commands for another machine are left as they are: what is called the home here is none of theirs."""


def current() -> Session | None:
    """The session of the command that runs."""
    context = click.get_current_context(silent=True)
    return context.find_object(Session) if context is not None else None


def copyable(words: str, namespace: str = "default") -> str:
    """`ph WORDS` for a message of the command that runs: for the same instance and namespace, to be copied as it is."""
    session = current()
    located = words if namespace == "default" else f"{words} -n {shlex.quote(namespace)}"
    return session.command(located) if session is not None else f"{program()} {located}"


def is_verbose() -> bool:
    """Whether the command that runs should show all that there is."""
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    session = current()
    return bool(context.params.get("verbose")) or (session is not None and session.verbose)


def placed(text: str, session: Session | None = None, *, namespace: str | None = None) -> str:
    """A message with every `ph WORDS` between backticks made for this session: texts of the platform know of no instance.

    namespace: of what the message is about, where that is not the command's.
    """
    chosen = session or current()
    if chosen is None:
        return text
    about = namespace or chosen.namespace
    return _NAMED_COMMAND.sub(lambda found: f"`{chosen.command(_located(found[1], about))}`", text)


def _located(words: str, namespace: str) -> str:
    named = words.split()
    has_place = named[0] not in NAMESPACED or not {"-n", "-A", "--namespace"}.isdisjoint(named)
    needs_none = namespace == "default" or (named[0] == "kubectl" and not _CLUSTER_WIDE.isdisjoint(named[2:3]))
    return words if has_place or needs_none else f"{words} -n {shlex.quote(namespace)}"


def _noted(context: click.Context, param: click.Parameter, namespace: str) -> str:
    """Refused here, since no name at all would stand for every namespace in a path."""
    if dns1123_label(namespace) and not context.resilient_parsing:
        raise click.BadParameter(f"{namespace!r} is no name of a namespace: use lower case letters, digits and dashes, such as team-a")
    if (session := context.find_object(Session)) is not None:
        session.namespace = namespace
    return namespace


NAMESPACE = click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    callback=_noted,
    shell_complete=names.namespaces,
    help="The namespace to work in.",
)


@asynccontextmanager
async def connected(session: Session) -> AsyncIterator["Client"]:
    """A client of the session's cluster; a sentence and the way out when there is none."""
    from pilothouse.client.choice import transport_to
    from pilothouse.client.client import Client
    from pilothouse.client.kubeconfig import load

    if session.is_local and not session.kubeconfig.exists():
        raise click.ClickException(session.absent())
    client = Client(transport_to(load(session.kubeconfig)), field_manager="ph")
    try:
        yield client
    finally:
        await client.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part; Ctrl-C and SIGTERM cancel it, so that it can clean up."""

    async def interruptible() -> T:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            # In the loop's own turn. asyncio's handler of SIGINT cancels between any two instructions, also while the loop is at work.
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    return asyncio.run(interruptible())
