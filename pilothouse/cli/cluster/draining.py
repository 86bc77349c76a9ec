"""Ending all pods of an instance politely before its node stops: asked of the node over its socket.

python -m pilothouse.cli.cluster.draining HOME      what systemd runs before it stops the node of a machine that shuts down
"""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

from pilothouse.cli.settings.home import Home
from pilothouse.model.json import JSONError, loads

MACHINE_S = 60
"""All the time that pods have when the machine shuts down."""
CRITICAL_MOST_S = 10
MORE_S = 20.0
"""What the node may take beyond the time of the pods: for what follows their end."""


class NotDrained(Exception):
    """The node has not answered; the message is a sentence."""


async def drain(socket: Path, total_s: int) -> list[str]:
    """Returns the pods that had not ended in time. A third of it, ten seconds at most, is kept for critical ones. Raises NotDrained."""
    critical_s = min(CRITICAL_MOST_S, total_s // 3)
    query = f"seconds={total_s}&criticalSeconds={critical_s}"
    request = f"POST /shutdown?{query} HTTP/1.1\r\nHost: node\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(total_s + MORE_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(request.encode())
                answer = await reader.read()
            finally:
                writer.close()
    except TimeoutError:
        raise NotDrained(f"the node has not ended its pods within {total_s + MORE_S:g} s") from None
    except OSError as error:
        raise NotDrained(f"the node does not answer: {error.strerror or error}") from error
    return _left(answer)


async def drain_all(homes: Iterable[Home], total_s: int) -> list[str]:
    """Every node of these homes at once. Raises NotDrained when one of them cannot be asked; the others have ended their pods then."""
    asked = await asyncio.gather(*(drain(home.node_socket, total_s) for home in homes), return_exceptions=True)
    for answer in asked:
        if isinstance(answer, BaseException):
            raise answer
    return [name for answer in asked if not isinstance(answer, BaseException) for name in answer]


def _left(answer: bytes) -> list[str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        found = loads(body)
    except JSONError:
        found = {}
    if b" 200 " not in head.partition(b"\r\n")[0] + b" " or not isinstance(found, dict):
        why = found.get("message") if isinstance(found, dict) else ""
        raise NotDrained(f"the node does not end its pods: {why or 'it has given no reason'}")
    return [str(each) for each in found.get("left") or ()]


def main(home: Home) -> int:
    try:
        left = asyncio.run(drain(home.node_socket, MACHINE_S))
    except NotDrained as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name in left:
        sys.stderr.write(f"pod {name} has not ended in time\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Home.chosen(sys.argv[1])))
