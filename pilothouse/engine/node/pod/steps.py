"""What a pod's plan may consist of. Values: two equal ones are the same step, so a step that has failed is found again in the next plan."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    attempt: int


@dataclass(frozen=True, slots=True)
class DropSandbox:
    """The sandbox has died (its process was killed, the host was restarted): what is left of it goes before another is made."""

    id: str


@dataclass(frozen=True, slots=True)
class MountVolumes:
    """They could not be made beside the sandbox; containers wait for them."""


@dataclass(frozen=True, slots=True)
class RefreshVolumes:
    """Something that the volumes show has changed, or a token is getting old. Containers go on meanwhile."""


@dataclass(frozen=True, slots=True)
class Start:
    name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Discard:
    """A container that was made but never started."""

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Kill:
    """The container runs but must not: it is ended within the pod's grace, and its restart policy says what follows.

    redo: its definition has changed, so it is started again whatever the policy says. hooks: its preStop hook is run first.
    """

    name: str
    id: str
    why: str
    redo: bool = False
    hooks: bool = True


@dataclass(frozen=True, slots=True)
class Allocate:
    """The spec asks for other resources than the node has allotted: whether there is room for them is to be decided."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The container runs with other resources than it has been allotted, and can be given them as it runs. resources: those, as JSON."""

    name: str
    id: str
    resources: str


@dataclass(frozen=True, slots=True)
class RestartAll:
    """A container has ended with a code that restarts the whole pod, and no other one runs any more. id: of that container."""

    id: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The node ends the pod."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The pod has run to its end: sidecars and sandbox are stopped, logs stay."""


Step = MakeSandbox | DropSandbox | MountVolumes | RefreshVolumes | Start | Discard | Kill | Allocate | Resize | RestartAll | Fail | Finish


def together(steps: list[Step]) -> Iterator[list[Step]]:
    """The steps in their order, those that may be taken at once in one list: starts of containers, which do not wait for each other."""
    for starts, group in groupby(steps, lambda step: isinstance(step, Start)):
        if starts:
            yield list(group)
        else:
            yield from ([step] for step in group)
