"""The extension points. A plug-in has a name and those methods that it needs.

What holds of the pod alone is worked out once, and what comes out judges nodes: `pre_filter` returns the filter. None says that the
plug-in has nothing to say about the pod (upstream's Skip). The local ones are told only what the pod asks of a
node by itself, and may look at nothing but the node they are given: their answers are kept until the node changes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pilothouse.engine.scheduler.snapshot.events import Event
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model.json import Object

MAX_SCORE = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """reasons: in upstream's words. is_final: no pod's leaving would change it (upstream's UnschedulableAndUnresolvable).

    is_of_pod: the same for all nodes. is_quiet: something is under way, which is not worth an event.
    is_worth_another: of one node, once it was chosen; the pod is to be tried again without waiting for anything to happen.
    """

    plugin: str
    reasons: tuple[str, ...]
    is_final: bool = False
    is_of_pod: bool = False
    is_quiet: bool = False
    is_worth_another: bool = False


@dataclass(frozen=True, slots=True)
class Unfit:
    """No node takes the pod. refusals: by node."""

    refusals: dict[str, Refusal]

    @property
    def plugins(self) -> frozenset[str]:
        return frozenset(each.plugin for each in self.refusals.values())


NodeFilter = Callable[[NodeInfo], Refusal | None]
NodeScore = Callable[[NodeInfo], int]
"""At most MAX_SCORE, unless the plug-in normalises its scores."""


class Plugin(Protocol):
    @property
    def name(self) -> str: ...


@runtime_checkable
class PreEnqueue(Plugin, Protocol):
    def pre_enqueue(self, pod: Object) -> Refusal | None:
        """Why the pod is not to be placed yet; asked again whenever it changes."""
        ...


@runtime_checkable
class QueueSort(Plugin, Protocol):
    def rank(self, pod: PodInfo) -> int:
        """The lower goes first; among equals, who has waited longer."""
        ...


@runtime_checkable
class Hinting(Plugin, Protocol):
    def hint(self, pod: PodInfo, event: Event) -> bool:
        """Whether the event may let a pod fit that this plug-in has refused."""
        ...


@runtime_checkable
class LocalFilter(Plugin, Protocol):
    def filter_locally(self, needs: Needs) -> NodeFilter | None: ...


@runtime_checkable
class PreFilter(Plugin, Protocol):
    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> NodeFilter | None:
        """The filter reads the snapshot whenever it is asked: in between, pods may be taken off and put back on trial."""
        ...


@runtime_checkable
class Narrowing(Plugin, Protocol):
    def narrow(self, needs: Needs) -> frozenset[str] | None:
        """The only nodes worth a look; None for all."""
        ...

    def refusal(self) -> Refusal:
        """Of the others."""
        ...


@runtime_checkable
class PostFilter(Plugin, Protocol):
    async def post_filter(self, pod: PodInfo, unfit: Unfit) -> str:
        """The node on which room is being made for the pod, or ""."""
        ...


@runtime_checkable
class LocalScore(Plugin, Protocol):
    def score_locally(self, needs: Needs) -> NodeScore | None: ...


@runtime_checkable
class Score(Plugin, Protocol):
    def score(self, pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> list[int] | None:
        """Of the nodes that fit, in the same order: upstream's pre-score and score in one. Each at most MAX_SCORE, unless normalised."""
        ...


@runtime_checkable
class Normalising(Plugin, Protocol):
    def normalise(self, scores: list[int]) -> list[int]:
        """Of the nodes that fit, in the same order, between 0 and MAX_SCORE."""
        ...


@runtime_checkable
class Reserve(Plugin, Protocol):
    def reserve(self, pod: PodInfo, node: str) -> Refusal | None:
        """Take what the pod will use, at once."""
        ...

    def unreserve(self, pod: PodInfo, node: str) -> None:
        """Give it back; also when it was never taken."""
        ...


@runtime_checkable
class Permit(Plugin, Protocol):
    async def permit(self, pod: PodInfo, node: str) -> Refusal | None:
        """May wait; the pod's worker has a deadline."""
        ...


@runtime_checkable
class PreBind(Plugin, Protocol):
    async def pre_bind(self, pod: PodInfo, node: str) -> Refusal | None:
        """What has to be there before the pod is on its node, as volumes."""
        ...


@runtime_checkable
class Bind(Plugin, Protocol):
    async def bind(self, pod: PodInfo, node: str) -> None:
        """Raises ApiError."""
        ...


def scaled(scores: list[int], *, is_reverse: bool = False) -> list[int]:
    """Upstream's usual way to normalise: the highest becomes MAX_SCORE, or 0 when few is better."""
    highest = max(scores)
    if not highest:
        return [MAX_SCORE if is_reverse else 0] * len(scores)
    if is_reverse:
        return [MAX_SCORE - MAX_SCORE * score // highest for score in scores]
    return [MAX_SCORE * score // highest for score in scores]
