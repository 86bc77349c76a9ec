"""Who calls the node, and what they may do: as the API server says, whose answers are remembered for a while.

A client certificate of the cluster's authority names its user by itself; a bearer token is asked about with a TokenReview. Every request
is authorized with SubjectAccessReviews. Tokens are remembered as digests only. Of questions on their way there are at most
`MOST_WAITING`: who comes beyond is told to come again.
Source: kubernetes cmd/kubelet/app/auth.go.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pilothouse.client.client import Client
from pilothouse.engine.node.kubelet.expiring import Expiring
from pilothouse.model.errors import TooManyRequests, Unauthorized, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import SUBJECTACCESSREVIEWS, TOKENREVIEWS
from pilothouse.wire.messages import Request

AUTHENTICATED = "system:authenticated"
TOKEN_S, ALLOWED_S, DENIED_S = 30.0, 30.0, 5.0
"""How long answers stand. A right that is taken away ends within that time."""
KEPT, MOST_WAITING = 1024, 16
LONGEST_TOKEN = 16 * 1024
ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def spec(self) -> Object:
        """As a SubjectAccessReview names a user."""
        shown: Object = {"user": self.name, "groups": list(self.groups)}
        if self.uid:
            shown["uid"] = self.uid
        return shown | ({"extra": {key: list(values) for key, values in self.extra}} if self.extra else {})


class Callers:
    """client: of the node's own identity, which may ask about others. clock: seconds on a clock that never goes back."""

    def __init__(self, client: Client, node_name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._node_name = node_name
        self._salt = os.urandom(16)
        self._waiting = 0
        self._tokens: Expiring[bytes, Caller | None] = Expiring(lambda found: TOKEN_S if found else DENIED_S, KEPT, clock)
        self._rights: Expiring[tuple[Caller, str, str], bool] = Expiring(lambda found: ALLOWED_S if found else DENIED_S, KEPT, clock)

    async def authenticate(self, request: Request) -> Caller:
        """Raises Unauthorized for a stranger, TooManyRequests, and the API server's own ApiError."""
        certificate = request.peer.certificate
        if certificate is not None and certificate.common_name:
            if time.time() > certificate.expires_at:
                raise Unauthorized("Unauthorized")
            return Caller(certificate.common_name, (*certificate.organizations, AUTHENTICATED))
        token = _bearer(request.headers.get("authorization"))
        if not 0 < len(token) <= LONGEST_TOKEN:
            raise Unauthorized("Unauthorized")
        digest = hashlib.sha256(self._salt + token.encode()).digest()
        found = await self._tokens.get(digest, lambda: self._review_token(token))
        if found is None:
            raise Unauthorized("Unauthorized")
        return found

    async def may(self, caller: Caller, verb: str, subresource: str) -> bool:
        """Raises TooManyRequests, and the API server's own ApiError."""
        return await self._rights.get((caller, verb, subresource), lambda: self._review_access(caller, verb, subresource))

    async def _review_token(self, token: str) -> Caller | None:
        answer = await self._ask(lambda: self._client.create(TOKENREVIEWS, {"spec": {"token": token}}))
        status = answer.get("status") or {}
        user = status.get("user") or {}
        if not status.get("authenticated") or not user.get("username"):
            return None
        extra = tuple((key, tuple(values)) for key, values in sorted((user.get("extra") or {}).items()))
        return Caller(user["username"], tuple(user.get("groups") or ()), user.get("uid") or "", extra)

    async def _review_access(self, caller: Caller, verb: str, subresource: str) -> bool:
        wanted = {"verb": verb, "version": "v1", "resource": "nodes", "subresource": subresource, "name": self._node_name}
        spec = caller.spec() | {"resourceAttributes": wanted}
        answer = await self._ask(lambda: self._client.create(SUBJECTACCESSREVIEWS, {"spec": spec}))
        return bool((answer.get("status") or {}).get("allowed"))

    async def _ask(self, ask: Callable[[], Awaitable[Object]]) -> Object:
        if self._waiting >= MOST_WAITING:
            raise TooManyRequests("the node asks about too many callers already; try again in a moment")
        self._waiting += 1
        try:
            async with asyncio.timeout(ASK_S):
                return await ask()
        except TimeoutError as error:
            raise Unavailable(f"the API server has not said within {ASK_S:g} s who the caller is and what it may do") from error
        finally:
            self._waiting -= 1


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
