"""What mounting a driver's volume needs of the API."""

from typing import Protocol

from pilothouse.engine.node.pod.sources import Token
from pilothouse.model.json import Object


class CsiSources(Protocol):
    async def secret(self, namespace: str, name: str) -> Object | None: ...
    async def token(self, pod: Object, audience: str, seconds: int) -> Token: ...
    async def csi_driver(self, name: str) -> Object | None: ...
    async def attachment(self, name: str) -> Object | None: ...
    async def node(self) -> Object | None:
        """This node, as the API has it now."""
        ...

    async def patch_claim_status(self, claim: Object, status: Object) -> None:
        """Writes a merge patch of the claim's status. Raises ApiError."""
        ...
