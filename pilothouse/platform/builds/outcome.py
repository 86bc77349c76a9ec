"""What the containers of a build leave as their termination messages, written by the builder and read by the controller.

Kubernetes keeps 4,096 bytes of such a message, so lists are cut to fit. Standard library alone: the builder writes them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

ROOM = 4000
_SHORTEST_NAME = 60
_MOST_PORTS = 100
"""Of an image that exposes a whole range."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """bases: the images that the Dockerfile's FROM and COPY --from name."""

    bases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """See `types.Step`."""

    name: str
    line: int
    seconds: float
    cached: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """reason: empty for a build that succeeded; message: one sentence. The rest as in the Build's status."""

    reason: str = ""
    message: str = ""
    digest: str = ""
    ports: tuple[int, ...] = ()
    image: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


def write_prepared(prepared: Prepared) -> str:
    """Raises ValueError when the names do not fit: nobody names so many."""
    text = json.dumps(asdict(prepared))
    if len(text) > ROOM:
        raise ValueError("the Dockerfile names more base images than a build can take")
    return text


def read_prepared(text: str) -> Prepared | None:
    """None for what no builder of this version wrote."""
    found = _document(text)
    return Prepared(tuple(found["bases"])) if found and isinstance(found.get("bases"), list) else None


def write(outcome: Outcome) -> str:
    """As JSON of at most ROOM bytes: names and lists of ports are shortened, then the last steps left out, then what the image says."""
    steps = tuple(replace(step, name=step.name[:_SHORTEST_NAME], seconds=round(step.seconds, 2)) for step in outcome.steps)
    short = replace(outcome, steps=steps, ports=outcome.ports[:_MOST_PORTS])
    cuts: tuple[Callable[[int], Outcome], ...] = (
        lambda most: replace(short, steps=short.steps[:most]),
        lambda most: replace(short, steps=(), image={}, message=short.message[:most]),
    )
    for cut in cuts:
        for most in range(len(outcome.steps) if cut is cuts[0] else 1000, -1, -1):
            text = json.dumps(asdict(cut(most)), separators=(",", ":"))
            if len(text) <= ROOM:
                return text
    raise AssertionError("an outcome without steps and message always fits")


def read(text: str) -> Outcome | None:
    """None for what no builder of this version wrote, such as the kernel's or the node's own words."""
    found = _document(text)
    if found is None or "steps" not in found:
        return None
    steps = tuple(Step(**step) for step in found["steps"])
    return Outcome(found["reason"], found["message"], found["digest"], tuple(found["ports"]), found["image"], steps)


def _document(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
