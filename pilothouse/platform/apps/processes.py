"""Which processes an app consists of, from its spec alone (pure)."""

from dataclasses import dataclass, field
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object

WEB = "web"
"""The process that has the port, the route and `spec.replicas`."""
RELEASE = "release"
"""The process that runs once before a new state is rolled out."""
DEFAULT_PORT = 8080
NOT_HTTP = frozenset([22, 443])
"""Ports that an image may expose beside the one that speaks plain HTTP."""


@dataclass(frozen=True, slots=True)
class Process:
    """command, args: empty for the image's own. resources: limits as in the spec."""

    name: str
    command: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    replicas: int = 1
    schedule: str = ""
    resources: Object = field(default_factory=dict)


def of(app: Object) -> list[Process]:
    """All processes, by name; `web` among them unless the app consists of others only."""
    spec = app["spec"]
    found = [_process(spec, name, given) for name, given in sorted((spec.get("processes") or {}).items())]
    if not any(process.name == WEB or _runs_all_the_time(process) for process in found):
        found.append(_process(spec, WEB, {}))
    return found


def _process(spec: Object, name: str, given: Object) -> Process:
    resources = given.get("resources") or spec.get("resources") or {}
    if name == WEB:
        words = {key: given.get(key) or spec.get(key) or [] for key in ("command", "args")}
        return Process(WEB, words["command"], words["args"], spec.get("replicas", 1), resources=resources)
    replicas = given.get("replicas")
    return Process(
        name,
        given.get("command") or [],
        given.get("args") or [],
        1 if replicas is None else replicas,
        given.get("schedule") or "",
        resources,
    )


def _runs_all_the_time(process: Process) -> bool:
    return process.name != RELEASE and not process.schedule


def lasting(app: Object) -> list[Process]:
    """Those that run all the time: a Deployment each."""
    return [process for process in of(app) if _runs_all_the_time(process)]


def scheduled(app: Object) -> list[Process]:
    return [process for process in of(app) if process.schedule]


def release(app: Object) -> Process | None:
    return next((process for process in of(app) if process.name == RELEASE), None)


def has_route(app: Object) -> bool:
    """Whether it is reached from outside."""
    return has_port(app) and not app["spec"].get("internal")


def has_port(app: Object) -> bool:
    """Whether the app has a `web` process that listens on a port."""
    return app["spec"].get("port") != 0 and any(process.name == WEB for process in of(app))


def port_of(spec: Object, exposed: list[int]) -> int:
    """The port of `web`, 0 for none. exposed: the ports of the image, the likeliest first; what is set in the spec wins."""
    given: Any = spec.get("port")
    if given is not None:
        return int(given)
    plain = [port for port in exposed if port not in NOT_HTTP] or exposed
    return plain[0] if plain else DEFAULT_PORT


def deployment_name(app: Object, process: str) -> str:
    return meta.name(app) if process == WEB else f"{meta.name(app)}-{process}"
