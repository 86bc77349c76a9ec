"""What a check finds, and how it names the containers that are to blame. All lists in a text are bounded."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pilothouse.model.json import Object, dumps

_MOST_NAMES = 32
_MOST_CHARACTERS = 128

Check = Callable[[Object, Object], "Finding | None"]
"""Given a pod's metadata and spec: what is forbidden there, or None. Pure."""


@dataclass(frozen=True, slots=True)
class Finding:
    """reason: the rule in a few words; detail: who breaks it and how."""

    reason: str
    detail: str


def containers(spec: Object) -> Iterator[Object]:
    for name in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(name) or ()


def context(holder: Object) -> Object:
    """The security context of a container, or that of the pod if `holder` is its spec."""
    found: Object = holder.get("securityContext") or {}
    return found


def blamed(spec: Object, is_bad: Callable[[Object], bool]) -> list[str]:
    """The names of the containers that `is_bad` says true of."""
    return [container["name"] for container in containers(spec) if is_bad(container)]


def setters(spec: Object, is_bad: Callable[[Object], bool]) -> str:
    """The pod and the containers whose security context is bad, as a subject: `pod and container "a"`; "" when none is."""
    said = ["pod"] if is_bad(context(spec)) else []
    names = blamed(spec, lambda container: is_bad(context(container)))
    return " and ".join([*said, counted("container", names)] if names else said)


def counted(noun: str, names: list[str]) -> str:
    return f"{plural(noun, len(names))} {quoted(names)}"


def plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def quoted(texts: Iterable[str]) -> str:
    return listed(dumps(text[:_MOST_CHARACTERS]).decode() for text in texts)


def listed(texts: Iterable[str]) -> str:
    every = list(texts)
    more = len(every) - _MOST_NAMES
    return ", ".join(every[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def in_user_namespace(spec: Object) -> bool:
    return spec.get("hostUsers") is False
