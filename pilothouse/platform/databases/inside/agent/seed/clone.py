"""A copy of another member's data, over its agent's HTTPS."""

import http.client
import ssl
from collections.abc import Iterator

from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.seed import copy
from pilothouse.platform.databases.inside.agent.seed.compressed import PIECE
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.wanted import Address

_SILENT_S = 60.0


def clone(settings: Settings, source: Address, job: Job) -> None:
    """Raises Failed, OSError. What was received of a copy that breaks off is worth nothing; the next attempt begins anew."""
    name = source.host.partition(".")[0]
    job.tell(f"cloning from {name}")
    connection = http.client.HTTPSConnection(source.host, source.port, timeout=_SILENT_S, context=_context(settings))
    try:
        copy.take(settings, _pieces(connection, name, job), lambda text: job.tell(f"cloning from {name}: {text}"))
    except (http.client.HTTPException, ssl.SSLError) as error:
        raise Failed(f"the copy from {name} broke off: {error!r}") from error
    finally:
        connection.close()


def _pieces(connection: http.client.HTTPSConnection, name: str, job: Job) -> Iterator[bytes]:
    connection.request("GET", "/v1/clone")
    answer = connection.getresponse()
    if answer.status != 200:
        raise Failed(f"{name} gives no copy: {answer.read(1000).decode(errors='replace')}")
    while piece := answer.read(PIECE):
        if job.is_given_up:
            raise Failed(f"the copy from {name} is no longer wanted")
        yield piece


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(settings.tls / "ca.crt"))
    context.load_cert_chain(settings.tls / "member.crt", settings.tls / "member.key")
    return context
