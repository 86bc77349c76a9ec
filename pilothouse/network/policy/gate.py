"""Holds back a pod's network until the policies that the pod has are in the kernel, so that its first packet meets them."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger("network.policy")

PATIENCE_S, FIRST_PATIENCE_S = 5.0, 15.0
"""For the rules of one pod; and for the part that makes them, after the node has started."""


class NotAdmitted(OSError):
    """The pod's policies are not in force yet; whoever sets it up tries again."""


class Admitting(Protocol):
    async def admit(self, pod: str, uid: str, *addresses: str) -> None:
        """Returns when what the policies say of the pod holds for its addresses. Raises NotAdmitted."""
        ...


class Gate:
    """Made before the policies' part is, which opens it with `serve`.

    is_enforced: whether rules of policies are in the kernel, from a run before. While nothing is known of policies (a node that begins
    without its API server) pods are held back where there were some, and let go where there were none. It may block.
    """

    def __init__(self, is_enforced: Callable[[], bool]) -> None:
        self._is_enforced = is_enforced
        self._part: Admitting | None = None
        self._served = asyncio.Event()
        self._has_waited = False

    def serve(self, part: Admitting | None) -> None:
        """None: the part has ended, another one will follow."""
        self._part = part
        if part is None:
            self._served.clear()
        else:
            self._served.set()
            self._has_waited = False

    async def admit(self, pod: str, uid: str, *addresses: str) -> None:
        """pod: `namespace/name`; uid: "" when it is not known. addresses: one a family.

        Raises NotAdmitted, at the latest after both patiences.
        """
        if self._part is None and not self._has_waited:
            try:
                async with asyncio.timeout(FIRST_PATIENCE_S):
                    await self._served.wait()
            except TimeoutError:
                self._has_waited = True
        if self._part is not None:
            await self._part.admit(pod, uid, *addresses)
        elif await asyncio.to_thread(self._is_enforced):
            raise NotAdmitted("network policies are not known yet: the API server does not answer")
        else:
            log.info("nothing is known of network policies yet: the pod gets its network without", pod=pod)
