"""A process of its own that records without an end: run with the log's folder, prints each number and whether it was waited for."""

import asyncio
import itertools
import sys
import time
from pathlib import Path

from pilothouse.engine.apiserver.audit.files import Bounds
from pilothouse.engine.apiserver.audit.log import AuditLog


class Number:
    size = 100

    def __init__(self, number: int, kind: str) -> None:
        self._text = f'{{"number":{number},"kind":"{kind}"}}'

    def encoded(self) -> bytes:
        return self._text.encode()


def say(what: str, number: int) -> None:
    sys.stdout.write(f"{what} {number} {time.time()}\n")
    sys.stdout.flush()


async def main() -> None:
    async with AuditLog.open(Path(sys.argv[1]), Bounds(largest_bytes=20_000, count=1000)) as log:
        for number in itertools.count():
            log.put(Number(number, "put"))
            say("put", number)
            if number % 20 == 0:
                await log.written(Number(number, "written"))
                say("written", number)
            await asyncio.sleep(0.001)


asyncio.run(main())
