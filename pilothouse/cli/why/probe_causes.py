"""Why a running container is not ready: what its probe met, and on which ports it listens instead (pure)."""

from collections.abc import Sequence

from pilothouse.cli.why.finding import LATE, SOON, Finding, State
from pilothouse.cli.why.inside import Listener

_LONGEST = 200


def of_probe(container: str, message: str, app: str, port: int | None, listening: Sequence[Listener] | None) -> Finding:
    """message: of the Unhealthy event. port: the one it should listen on. listening: None when it could not be seen."""
    which, _, said = message.partition(" probe failed: ")
    said = said or message
    if "refused" in said and port and listening and (found := _elsewhere(container, app, port, listening)):
        return found
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")[:_LONGEST]
    cause = f"the {which.lower() if ' ' not in which else 'health'} probe of container {container} fails: {last.rstrip('. ')}"
    if "refused" in said:
        option = ", or name the port that it listens on with `ph deploy --port`" if app else ""
        return Finding((cause,), f"make it listen on 0.0.0.0:{port or 'PORT'}{option}", State.NOT_READY)
    if "statuscode" in said:
        option = ", or name another with `ph deploy --health`" if app else ""
        # A server error may be what an app answers until it is up.
        certain_after_s = LATE if "statuscode: 4" in said else None
        return Finding((cause,), f"make the probe's path answer below 400{option}", State.UNHEALTHY, certain_after_s)
    return Finding((cause,), "make the probe succeed within its time", State.UNHEALTHY)


def _elsewhere(container: str, app: str, port: int, listening: Sequence[Listener]) -> Finding | None:
    """It listens where nobody asks; None when it listens on the port as it should (by now)."""
    own = next((each for each in listening if each.port == port), None)
    if own is not None and not own.is_loopback:
        return None
    if own is not None:
        cause = f"container {container} listens on 127.0.0.1:{port} only, where nothing outside of it can reach it"
        return Finding((cause,), f"make it listen on 0.0.0.0:{port}", State.LOOPBACK_ONLY, SOON)
    open_ports = [each.port for each in listening if not each.is_loopback]
    shown = " and ".join(str(each.port) + (" (on 127.0.0.1 only)" if each.is_loopback else "") for each in listening)
    cause = f"container {container} listens on port {shown} and not on {port}"
    option = f"`ph deploy --port {open_ports[0] if len(open_ports) == 1 else 'PORT'}` names its port" if app and open_ports else ""
    step = f"make it listen on 0.0.0.0:{port}, which is in its environment as PORT"
    return Finding((cause,), f"{option}, or {step}" if option else step, State.WRONG_PORT, SOON)
