"""From a decision to a bound pod: reserve, permit, pre-bind, bind; all is undone when one of them fails."""

from pilothouse.engine.scheduler.framework.plugin import Refusal
from pilothouse.engine.scheduler.framework.profile import Profile
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model.errors import NotFound


class Placing:
    def __init__(self, profile: Profile, snapshot: Snapshot) -> None:
        self._profile = profile
        self._snapshot = snapshot

    async def place(self, pod: PodInfo, node: str) -> Refusal | None:
        """Bind the pod. Others see it on the node at once, before anything is awaited. A pod that has gone meanwhile is no failure.

        Returns why a plug-in did not let it; raises ApiError.
        """
        nominated = self._snapshot.nominated_node(pod.key)
        self._snapshot.assume(pod, node)
        is_bound = False
        try:
            refusal = self._reserve(pod, node) or await self._permit(pod, node) or await self._pre_bind(pod, node)
            if refusal is None:
                for plugin in self._profile.binds:
                    await plugin.bind(pod, node)
                is_bound = True
            return refusal
        except NotFound:
            return None
        finally:
            if not is_bound:
                self._undo(pod, node, nominated)

    def _reserve(self, pod: PodInfo, node: str) -> Refusal | None:
        for plugin in self._profile.reserves:
            if (refusal := plugin.reserve(pod, node)) is not None:
                return refusal
        return None

    async def _permit(self, pod: PodInfo, node: str) -> Refusal | None:
        for plugin in self._profile.permits:
            if (refusal := await plugin.permit(pod, node)) is not None:
                return refusal
        return None

    async def _pre_bind(self, pod: PodInfo, node: str) -> Refusal | None:
        for plugin in self._profile.pre_binds:
            if (refusal := await plugin.pre_bind(pod, node)) is not None:
                return refusal
        return None

    def _undo(self, pod: PodInfo, node: str, nominated: str) -> None:
        for plugin in reversed(self._profile.reserves):
            plugin.unreserve(pod, node)
        self._snapshot.forget(pod.key)
        if nominated:
            self._snapshot.nominate(pod, nominated)
