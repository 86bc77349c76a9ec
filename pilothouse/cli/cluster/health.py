"""Whether an instance really works: its processes are asked, not the files that they have written."""

import asyncio

from pilothouse.aio.identity import is_held
from pilothouse.cli.cluster import service
from pilothouse.cli.daemon.roles import CONTROL, NODE, Role, roles_of
from pilothouse.cli.daemon.state import State, running_pid
from pilothouse.cli.further import wanted
from pilothouse.cli.session import Session, connected
from pilothouse.cli.settings.home import Home, Settings, SettingsError

ANSWER_S = 5.0


async def problems(session: Session, *, answer_s: float = ANSWER_S) -> list[str]:
    """One sentence for each thing that keeps the instance from working, the worst first; empty when all is well."""
    home = session.home
    found = [text for role in roles_of(home) if (text := _process(home, role))]
    if found:
        return found
    settings = Settings.load(home)
    has_api = settings is None or not settings.server
    if has_api and not await _api_answers(session, answer_s):
        url = f"https://{settings.api_host}:{settings.api_port}" if settings is not None else "its address"
        return [
            f"the control plane (pid {running_pid(CONTROL.pid(home))}) runs, but its API does not answer at {url} within {answer_s:g} s"
        ]
    if not await _node_answers(home, answer_s):
        found.append(f"the node (pid {running_pid(NODE.pid(home))}) runs, but does not answer within {answer_s:g} s")
    return found + failing(home)


def not_running(session: Session) -> str:
    """The sentence for an instance that is stopped, or of which a process does not work; "" for any other, and for a foreign cluster."""
    home = session.home
    if not session.is_local:
        return ""
    if not service.any_running(home):
        errors = [state.error for role in roles_of(home) if (state := State.load(home, role)) is not None and state.error]
        why = f" ({errors[0]})" if errors else ""
        return f"Pilothouse is stopped at {home.path}: start it with `{session.command('up')}`{why}"
    found = [text for role in roles_of(home) if (text := _process(home, role))]
    return with_way_out(session, found) if found else ""


def with_way_out(session: Session, found: list[str]) -> str:
    return f"{'; '.join(found)}: `{session.command('down')}` ends it in any state, `{session.command('up')}` starts it"


def failing(home: Home) -> list[str]:
    """Components that do not work at the moment, and why; each is tried again."""
    states = [state for role in roles_of(home) if (state := State.load(home, role)) is not None]
    return [f"{name} does not work: {error}" for state in states for name, error in state.failing.items()]


def of_further(home: Home) -> list[str]:
    """What keeps the further nodes of an instance on this machine from working, as far as their processes say."""
    found = []
    for each in home.further():
        name = f"node {wanted.name(Settings.salvaged(home), each)}"
        try:
            Settings.load(each)
        except SettingsError as error:
            found.append(f"{name}: {error}")
            continue
        processes = [text for role in roles_of(each) if (text := _process(each, role, name))]
        found += processes or [f"{name}: {text}" for text in failing(each)]
    return found


def _process(home: Home, role: Role, name: str = "") -> str:
    """name: of the process, where its role's does not tell which one it is."""
    pid = running_pid(role.pid(home))
    state = State.load(home, role)
    name = name or f"the {role.title}"
    if pid is None:
        why = f": {state.error}" if state is not None and state.error else ""
        return f"{name} {'is about to be started' if service.is_running(home, role) else 'does not run'}{why}"
    if is_held(pid):
        return f"{name} (pid {pid}) has been stopped by a signal: `kill -CONT {pid}` lets it go on"
    if state is not None and state.phase != "ready":
        return f"{name} (pid {pid}) is {'starting' if state.phase == 'starting' else state.phase}" + "".join(
            f"; {component}: {error}" for component, error in state.failing.items()
        )
    return ""


async def _api_answers(session: Session, answer_s: float) -> bool:
    from pilothouse.model.errors import ApiError

    try:
        async with asyncio.timeout(answer_s), connected(session) as client:
            await client.call("GET", "/readyz")
    except (ApiError, TimeoutError):
        return False
    return True


async def _node_answers(home: Home, answer_s: float) -> bool:
    try:
        async with asyncio.timeout(answer_s):
            reader, writer = await asyncio.open_unix_connection(home.node_socket)
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
