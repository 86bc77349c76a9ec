"""Faults on demand: a file named after a method makes that method fail, in whatever process the driver runs.

The file is JSON: {"code": "INTERNAL", "why": "...", "hang_s": 5, "times": 2, "after": true}. hang_s: it is silent for so long first.
times: as often (0: until the file is gone). after: what was asked for is done all the same, only the answer is a failure.
"""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.csi_driver.serving import Refused

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    code: str = ""
    why: str = "as the test wants it"
    hang_s: float = 0.0
    times: int = 0
    after: bool = False


class Faults:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def set(self, method: str, fault: Fault) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f".{method}"
        fresh.write_text(json.dumps(asdict(fault)))
        fresh.replace(self._folder / method)

    def clear(self, method: str) -> None:
        (self._folder / method).unlink(missing_ok=True)

    async def around(self, method: str, work: Coroutine[Any, Any, T]) -> T:
        fault = self._take(method)
        try:
            if fault.hang_s:
                await asyncio.sleep(fault.hang_s)
            if fault.code and not fault.after:
                raise Refused(fault.code, fault.why)
            done = await work
            if fault.code:
                raise Refused(fault.code, fault.why)
            return done
        finally:
            work.close()

    def _take(self, method: str) -> Fault:
        try:
            fault = Fault(**json.loads((self._folder / method).read_text()))
        except FileNotFoundError:
            return Fault()
        if fault.times == 1:
            self.clear(method)
        elif fault.times:
            self.set(method, Fault(**(asdict(fault) | {"times": fault.times - 1})))
        return fault
