"""One service of a compose file as an app."""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.platform.compose.values import ComposeError, env_file, listed, mapping, memory, pairs, whole, words
from pilothouse.platform.compose.volumes import Mount, mounts

Read = Callable[[str], str | None]
"""The text of a file by its path from the compose file's folder; None when there is none."""
_NAME = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
_PORT = re.compile(r"^(?:(?:[\d.]+|\[[^\]]*\]):)?(?:(?P<host>\d+(?:-\d+)?)?:)?(?P<target>\d+)(?:-\d+)?(?:/(?P<protocol>\w+))?$")
_PATH = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d+)?(/[^\s\"'|;]*)?")
TAKEN = frozenset({"image", "build", "ports", "expose", "command", "entrypoint", "environment", "env_file"}) | frozenset(
    {"depends_on", "healthcheck", "deploy", "scale", "profiles", "mem_limit", "cpus", "volumes", "tmpfs"}
)
HARMLESS = frozenset({"restart", "container_name", "hostname", "labels", "init", "tty", "stdin_open", "logging"}) | frozenset(
    {"networks", "platform", "pull_policy", "stop_signal", "stop_grace_period", "links"}
)
"""What an app has by itself, or does not need to behave as the file says."""
_EXAMPLES = (".example", ".sample", ".dist", ".template")
KNOWN_PORTS = {
    "nginx": 80,
    "httpd": 80,
    "redis": 6379,
    "postgres": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mongo": 27017,
    "memcached": 11211,
    "rabbitmq": 5672,
    "nats": 4222,
}
"""Ports of images whose own configuration names them, for services without `ports` and `expose`."""
NO_HTTP = frozenset({21, 22, 25, 389, 1433, 1521, 1883, 2181, 3306, 4222, 5432, 5672, 6379, 9042, 9092, 11211, 27017})
"""Well-known ports of databases and brokers: the gateway, which speaks HTTP, has no route to them."""


@dataclass(frozen=True, slots=True)
class Service:
    """name: of the app, by which the other services reach it. Either image or context is set.

    context: the folder to build, relative to the compose file's. command, args: in place of the image's entrypoint and command.
    port: what it listens on; None for what the image exposes. published: the file gives it a port outside, which speaks HTTP.
    mounts: named volumes of the file. volumes: as in an App's spec, once it is known whose each is. said: sentences of what is not taken.
    health: an HTTP path. after: services that have to run before it; healthy: those of them that have to be healthy.
    """

    name: str
    image: str = ""
    context: str = ""
    dockerfile: str = ""
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    port: int | None = None
    published: bool = False
    health: str = ""
    after: tuple[str, ...] = ()
    healthy: tuple[str, ...] = ()
    replicas: int | None = None
    cpu: str = ""
    memory: str = ""
    mounts: tuple[Mount, ...] = ()
    volumes: Mapping[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def service(name: str, raw: Any, read: Read, variables: Mapping[str, str]) -> Service:
    """variables: for names in `environment` without a value. Raises ComposeError."""
    if not _NAME.match(name):
        raise ComposeError(f"the service {name!r} cannot name an app: use lower case letters, digits and dashes, a letter first")
    if not isinstance(raw, dict):
        raise ComposeError(f"the service {name} is no mapping")
    ignored = sorted(raw.keys() - TAKEN - HARMLESS - {key for key in raw if key.startswith("x-")})
    context, build, more = _build(name, raw.get("build"))
    image = str(raw.get("image") or "") if not context else ""
    if not image and not context:
        raise ComposeError(f"the service {name} has neither image nor build")
    port, published, ports = _ports(name, raw, image)
    after, healthy, notes = _depends(name, raw.get("depends_on") or {})
    limits, replicas, unused = _deploy(name, raw)
    health, unread = _health(raw.get("healthcheck"))
    mounted, said = mounts(name, raw)
    return Service(
        name=name,
        image=image,
        context=context,
        dockerfile=str(build.get("dockerfile") or ""),
        target=str(build.get("target") or ""),
        build_args=_build_args(name, build),
        command=tuple(words(raw["entrypoint"], f"{name}.entrypoint")) if raw.get("entrypoint") else (),
        args=tuple(words(raw["command"], f"{name}.command")) if raw.get("command") else (),
        env=_environment(name, raw, read, variables),
        port=port,
        published=published,
        health=health,
        after=after,
        healthy=healthy,
        replicas=replicas,
        cpu=limits.get("cpu", ""),
        memory=limits.get("memory", ""),
        mounts=mounted,
        said=tuple(said),
        ignored=(*ignored, *more, *ports, *notes, *unused, *unread),
    )


def _build(name: str, build: Any) -> tuple[str, Mapping[str, Any], list[str]]:
    """(context, all that it says, keys that are not taken)."""
    if not build:
        return "", {}, []
    given = build if isinstance(build, dict) else {"context": build}
    context = posixpath.normpath(str(given.get("context") or "."))
    if "://" in context or context.startswith("git@"):
        raise ComposeError(f"{name}.build.context is a repository: deploy it alone with `ph deploy {context} --name {name}`")
    if context.startswith(("..", "/")):
        raise ComposeError(f"{name}.build.context {context} lies outside the compose file's folder")
    return context, given, sorted(f"build.{key}" for key in given.keys() - {"context", "dockerfile", "args", "target"})


def _build_args(name: str, build: Mapping[str, Any]) -> dict[str, str]:
    given = pairs(build.get("args") or {}, f"{name}.build.args")
    return {key: value for key, value in given.items() if value is not None}


def _ports(name: str, raw: Mapping[str, Any], image: str) -> tuple[int | None, bool, list[str]]:
    """(the first TCP port, whether it is published over HTTP, what is not taken): an app has one port."""
    published = [port for entry in listed(raw.get("ports"), f"{name}.ports") if (port := _target(name, entry)) is not None]
    exposed = [port for entry in listed(raw.get("expose"), f"{name}.expose") if (port := _target(name, entry)) is not None]
    family = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
    found = list(dict.fromkeys([*published, *exposed, *([KNOWN_PORTS[family]] if family in KNOWN_PORTS else [])]))
    more = [f"ports {', '.join(map(str, found[1:]))}"] if len(found) > 1 and (published or exposed) else []
    if published and found[0] in NO_HTTP:
        return found[0], False, [*more, f"port {found[0]} to the outside (it speaks no HTTP; the other services reach it by name)"]
    return found[0] if found else None, bool(published), more


def _target(name: str, entry: Any) -> int | None:
    """None for a port that is not TCP."""
    if isinstance(entry, dict):
        target = whole(entry.get("target"), f"{name}.ports: target")
        return target if str(entry.get("protocol", "tcp")) == "tcp" else None
    found = _PORT.match(str(entry))
    if found is None or not 0 < int(found["target"]) < 65536:
        raise ComposeError(f"{name}.ports: {entry!r} is no port: write it like 8080:80")
    return int(found["target"]) if (found["protocol"] or "tcp") == "tcp" else None


def _environment(name: str, raw: Mapping[str, Any], read: Read, variables: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    files = raw.get("env_file") or []
    for entry in files if isinstance(files, list) else [files]:
        path = posixpath.normpath(str(entry.get("path") if isinstance(entry, dict) else entry))
        text = None if path.startswith(("..", "/")) else read(path)
        if text is None and not (isinstance(entry, dict) and entry.get("required") is False):
            raise ComposeError(f"{name}.env_file: there is no file {path} in the compose file's folder{_example(path, read)}")
        found |= env_file(text or "")
    for key, value in pairs(raw.get("environment") or {}, f"{name}.environment").items():
        if value is not None:
            found[key] = value
        elif key in variables:
            found[key] = variables[key]
    return found


def _example(path: str, read: Read) -> str:
    """Where people keep the names of a file that they do not share."""
    if path.startswith(("..", "/")):
        return ""
    found = next((f"{path}{suffix}" for suffix in _EXAMPLES if read(f"{path}{suffix}") is not None), "")
    return f": copy {found} to it and fill that in" if found else ""


def _depends(name: str, given: Any) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    where = f"{name}.depends_on"
    entries = given if isinstance(given, dict) else {str(item): {} for item in listed(given, where)}
    named = {str(key): mapping(value, f"{where}.{key}") for key, value in entries.items()}
    conditions = {key: str(value.get("condition") or "service_started") for key, value in named.items()}
    completed = sorted(key for key, condition in conditions.items() if condition == "service_completed_successfully")
    if completed:
        raise ComposeError(
            f"{name}.depends_on waits for {completed[0]} to end: run what it does as `release` in a Procfile of {name}, and take it out"
        )
    return tuple(conditions), tuple(key for key, condition in conditions.items() if condition == "service_healthy"), []


def _health(given: Any) -> tuple[str, list[str]]:
    """(an HTTP path, what is not taken): a check by a command cannot be an app's."""
    test = given.get("test") if isinstance(given, dict) and not given.get("disable") else None
    if not test or test == ["NONE"]:
        return "", []
    line = " ".join(map(str, test)) if isinstance(test, list) else str(test)
    found = _PATH.search(line)
    return (found[1] or "/", []) if found else ("", ["healthcheck (it runs a command; an accepting port counts instead)"])


def _deploy(name: str, raw: Mapping[str, Any]) -> tuple[dict[str, str], int | None, list[str]]:
    """(limits, replicas, keys that are not taken)."""
    deploy = mapping(raw.get("deploy"), f"{name}.deploy")
    resources = mapping(deploy.get("resources"), f"{name}.deploy.resources")
    limits = mapping(resources.get("limits"), f"{name}.deploy.resources.limits")
    cpu, size = raw.get("cpus") or limits.get("cpus"), raw.get("mem_limit") or limits.get("memory")
    found = {"cpu": str(cpu)} if cpu else {}
    found |= {"memory": memory(size, f"{name}.mem_limit")} if size else {}
    replicas = raw.get("scale", deploy.get("replicas"))
    harmless = {"resources", "replicas", "restart_policy", "mode", "labels", "update_config", "rollback_config"}
    return (
        found,
        whole(replicas, f"{name}.scale") if replicas is not None else None,
        sorted(f"deploy.{key}" for key in deploy.keys() - harmless),
    )
