"""The stages around a request, outermost first: errors, metrics, audit, deadline, authentication, impersonation, fairness, rights.

Those of auditing are in `chain.audit`, the deadline in `chain.deadline`. Fairness (`chain.fairness`) queues requests whose user is
known and who have not cost an authorization yet.
Source of the order: apiserver/pkg/server/config.go, DefaultBuildHandlerChain.
"""

import asyncio
import time
from typing import Any

import structlog

from pilothouse.engine.apiserver.authn.authenticate import Authenticator
from pilothouse.engine.apiserver.authn.impersonate import impersonated
from pilothouse.engine.apiserver.authz.attributes import Attributes, forbidden
from pilothouse.engine.apiserver.authz.authorize import Authorizer, attributes
from pilothouse.engine.apiserver.chain.stage import Handler, Outlet
from pilothouse.engine.apiserver.metrics import Metrics
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.model.errors import ApiError, Forbidden, Internal
from pilothouse.wire.messages import HandshakeRefused
from pilothouse.wire.outlet import Disconnected

_log = structlog.get_logger("apiserver")


class Errors:
    """An ApiError goes out as it is, anything else as a 500, with its traceback in the log."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        try:
            return await proceed(request)
        except ApiError as failure:
            return await self._outlet.refuse(request, failure)
        except (Disconnected, HandshakeRefused):
            raise
        except Exception as failure:
            _log.exception("request failed", method=request.method, target=request.target.path)
            return await self._outlet.refuse(request, Internal(f"Internal error occurred: {type(failure).__name__}"))


class Measured:
    def __init__(self, metrics: Metrics, table: ServedResources) -> None:
        self._metrics = metrics
        self._table = table

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        started = time.perf_counter()
        code = 500
        try:
            result = await proceed(request)
            code = request.status
            return result
        except ApiError as failure:
            code = failure.code
            raise
        except (Disconnected, HandshakeRefused, asyncio.CancelledError):
            code = 200
            raise
        finally:
            self._metrics.observe(self._counted_as(request), code, time.perf_counter() - started)

    def _counted_as(self, request: ApiRequest) -> tuple[str, str, str]:
        """WHY not what the path says: anybody may ask for any path, and each name would stay for ever."""
        target = request.target
        if not target.is_resource:
            return request.verb, "", ""
        is_served = self._table.find(target.group, target.version, target.resource) is not None
        return (request.verb, target.group, target.resource) if is_served else (request.verb, "other", "other")


class Authenticated:
    """Finds out who asks; a request of this process brings its user."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        """Raises Unauthorized."""
        if request.http is not None:
            request.user = self._authenticator.authenticate(request.http)
        return await proceed(request)


class Impersonated:
    """Lets a user that may do so ask in another's name (headers `Impersonate-*`)."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        """Raises Forbidden, BadRequest."""
        pairs = [] if request.http is None else request.http.headers.pairs
        if any(name.startswith("impersonate-") for name, _ in pairs):
            request.user = impersonated(request.user, request.headers, pairs, lambda asked: self._check(request, asked))
        return await proceed(request)

    def _check(self, request: ApiRequest, asked: Attributes) -> None:
        try:
            self._authorizer.check(asked)
        except Forbidden as error:
            mode = "serviceaccount" if asked.resource == "serviceaccounts" else "user-info"
            of = attributes(request)
            verb = f"impersonate-on:{mode}:{of.verb}"
            refused = Attributes(of.user, verb, of.namespace, of.group, of.resource, of.subresource, of.name, of.path)
            raise forbidden(refused) from error


class Authorized:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        """Raises Forbidden."""
        self._authorizer.authorize(request)
        return await proceed(request)
