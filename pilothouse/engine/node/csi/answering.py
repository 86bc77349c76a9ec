"""Hands the control plane's questions to the drivers of this node; see `engine.csi.serving` for how they come."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from google.protobuf.message import DecodeError

from pilothouse.engine.csi import serving
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.engine.csi.methods import CALL_S, Method
from pilothouse.engine.node.csi.drivers import Drivers
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, BadRequest, MethodNotAllowed, NotFound
from pilothouse.model.json import dumps
from pilothouse.wire.messages import Request, Response

_JSON = (("content-type", "application/json"),)
_PROTOBUF = (("content-type", serving.PROTOBUF),)


class DriverAnswers:
    """drivers: None while no agent runs, which alone knows who is registered."""

    def __init__(self) -> None:
        self.drivers: Drivers | None = None

    async def answer(self, request: Request, words: Sequence[str]) -> Response:
        """words: of the decoded path."""
        try:
            return Response(200, _PROTOBUF, await self._asked(request, words))
        except CsiFailure as error:
            return Response(serving.FAILED, _JSON, dumps({"code": error.code, "why": error.why}))
        except ApiError as error:
            return Response(error.code, _JSON, dumps(error.to_status()))

    async def _asked(self, request: Request, words: Sequence[str]) -> bytes:
        """Raises CsiFailure, ApiError."""
        if len(words) != 3 or words[2] not in serving.ASKABLE:
            raise NotFound(f"the node serves no {request.path}")
        if request.method != "POST":
            raise MethodNotAllowed("drivers are asked by POST")
        seconds = natural((parse_qs(request.query).get(serving.SECONDS) or [""])[0])
        if not seconds:
            raise BadRequest(f"{serving.SECONDS} is a number above zero")
        return await self._ask(words[1], serving.ASKABLE[words[2]], request.body, min(seconds, CALL_S))

    async def _ask(self, driver: str, method: Method[Any, Any], body: bytes, timeout_s: float) -> bytes:
        if self.drivers is None:
            raise CsiFailure(driver, method.name, "the node's agent is not running; it is starting, or has failed", "UNAVAILABLE")
        registered = self.drivers.find(driver)
        if registered is None:
            raise CsiFailure(driver, method.name, "it is not registered on this node", "UNAVAILABLE")
        try:
            question = method.request.FromString(body)
        except DecodeError as error:
            raise BadRequest(f"the body is no {method.request.__name__}") from error
        found: bytes = (await registered.driver.call(method, question, timeout_s)).SerializeToString()
        return found
