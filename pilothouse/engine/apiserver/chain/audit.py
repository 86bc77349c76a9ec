"""The stages of auditing: around everything after metrics, where it has become known who asks, and where that is allowed.

The outermost sees how the request ends, however it does; the second asks the policy; the last takes the body, so that who has no right
adds none to the log. A request that ends before the second (401) is judged without a user.
"""

import asyncio
import random
import string
from typing import Any

from pilothouse.engine.apiserver.audit.auditor import Auditor
from pilothouse.engine.apiserver.audit.record import AuditContext
from pilothouse.engine.apiserver.chain.stage import Handler
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResources
from pilothouse.engine.apiserver.verbs.watch import Feed
from pilothouse.model.errors import ApiError
from pilothouse.wire.messages import HandshakeRefused
from pilothouse.wire.outlet import Disconnected

ID_HEADER = "Audit-Id"
_LONGEST_ID = 64
_IN_ID = frozenset(string.ascii_letters + string.digits + "-_.:/+=")


class Audited:
    """auditor: None when nothing is recorded; requests have an id all the same."""

    def __init__(self, auditor: Auditor | None) -> None:
        self._auditor = auditor

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        """Raises ApiError 500 in strict mode for an outcome that could not be written down."""
        id = _id_of(request)
        if self._auditor is None:
            return await proceed(request)
        record = AuditContext(self._auditor, request, id)
        request.audit = record
        try:
            result = await proceed(request)
        except ApiError as failure:
            record.failed(failure)
            raise
        except HandshakeRefused as refusal:
            record.refused(refusal.response.status)
            raise
        except (Disconnected, asyncio.CancelledError):
            record.cut_off()
            raise
        except Exception as failure:
            record.panicked(failure)
            raise
        if request.http is None and isinstance(result, Feed):
            result.when_closed = record.closed
        elif record.is_recorded:
            await record.completed(is_sent=request.http is not None and result is None)
        return result


async def identified(request: ApiRequest, proceed: Handler) -> Any:
    """Raises ApiError 500 in strict mode for a request whose arrival cannot be written down."""
    if request.audit is not None:
        await request.audit.identified()
    return await proceed(request)


class Permitted:
    def __init__(self, table: ServedResources) -> None:
        self._table = table

    async def __call__(self, request: ApiRequest, proceed: Handler) -> Any:
        if request.audit is not None:
            request.audit.permitted(self._table)
        return await proceed(request)


def _id_of(request: ApiRequest) -> str:
    """The client's, if it is one; answered in the same header."""
    http = request.http
    if http is None:
        return _new_id()
    stated = http.headers.get(ID_HEADER) or ""
    id = stated if 0 < len(stated) <= _LONGEST_ID and _IN_ID.issuperset(stated) else _new_id()
    http.answer_headers = ((ID_HEADER, id),)
    return id


def _new_id() -> str:
    """In the form of a UUID. Nobody's safety rests on it, and the system's random numbers would cost more than all else here."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
