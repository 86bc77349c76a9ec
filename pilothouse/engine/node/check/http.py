"""HTTP checks: a probe judges the status, a hook only asks.

Source: kubernetes pkg/probe/http/http.go, pkg/kubelet/lifecycle/handlers.go.
"""

import asyncio
from dataclasses import dataclass

from pilothouse.engine.node.check.exchange import exchange
from pilothouse.engine.node.check.failure import CheckFailed, NoTls
from pilothouse.engine.node.check.request import HOOK_AGENT, PROBE_AGENT, Request, request_of
from pilothouse.model.json import Object

REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 10
_AWAITING_HEAD = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
_READING_BODY = "context deadline exceeded (Client.Timeout or context cancellation while reading body)"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


async def get(request: Request, timeout_s: float | None) -> Answer:
    """Redirects on the same host are followed; one that leads elsewhere is the answer. Raises CheckFailed.

    timeout_s: for all of it, the body included; None: the caller sets the deadline.
    """
    host, waits_for = request.host.lower(), _AWAITING_HEAD
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(MAX_REDIRECTS):
                waits_for = _AWAITING_HEAD
                async with exchange(request) as answer:
                    await answer.head()
                    location = answer.headers.get("location")
                    following = request.redirected(location) if answer.status in REDIRECTS and location else None
                    if following is None or following.host.lower() != host:
                        waits_for = _READING_BODY
                        return Answer(answer.status, await answer.body())
                request = following
    except TimeoutError:
        raise CheckFailed(f'Get "{request.url}": {waits_for}') from None
    raise CheckFailed(f'Get "{request.url}": stopped after {MAX_REDIRECTS} redirects')


async def probe_http(action: Object, container: Object, ip: str, timeout_s: float) -> str:
    """Returns a warning, "" for none. Raises CheckFailed."""
    answer = await get(request_of(action, container, ip, PROBE_AGENT), timeout_s)
    if 200 <= answer.status < 300:
        return ""
    if 300 <= answer.status < 400:
        return f"Probe terminated redirects, Response body: {answer.body.decode(errors='replace')}"
    raise CheckFailed(f"HTTP probe failed with statuscode: {answer.status}")


async def hook_http(action: Object, container: Object, ip: str) -> str:
    """Asks, whatever the status of the answer is. Returns what is worth an event, "" for nothing. Raises CheckFailed."""
    request = request_of(action, container, ip, HOOK_AGENT)
    try:
        await get(request, None)
    except NoTls as error:
        await get(request.in_the_clear(), None)
        return f"{error}; the request was sent again over HTTP and answered"
    return ""
