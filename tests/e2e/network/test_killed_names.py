"""Names while the process of their node is killed again and again: no question is lost or refused.

The API server and the node's DNS server are processes of their own; the node's is killed with SIGKILL and started again at once, 50 times.
Two ask all the time for names that were asked for before, as pods do, once each; one asks now and then for a name that nobody has asked
for, which has to wait for the next server, and asks once more after 5 s, as glibc's resolver does.
"""

import asyncio
import itertools
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.rig.alone import Alone, api_alone
from bench.rig.dns_node import own_address, standby_of, start
from bench.rig.instance import free_ports
from bench.rig.raw import Connection
from pilothouse.model.json import dumps
from pilothouse.model.kinds import SERVICES
from pilothouse.network.dns import codec
from pilothouse.network.dns.standby.handover import end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KILLS, LOOKUPS, NAMES = 50, 100_000, 100
PATIENCE_S = 5.0
"""What resolvers wait for an answer."""
PAUSE_S = 0.001


@dataclass
class Asker(threading.Thread):
    """Asks for one name after the other. took_s: by name, in order; lost: what was not answered, or not with an address.

    attempts: for each name, as resolvers have them.
    """

    where: tuple[str, int]
    names: Iterator[str]
    pause_s: float
    attempts: int = 1
    took_s: list[tuple[float, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(PATIENCE_S)
            asker.connect(self.where)
            for identifier in itertools.cycle(range(1 << 16)):
                if self.over.wait(self.pause_s):
                    return
                self._ask(asker, next(self.names), identifier)

    def _ask(self, asker: socket.socket, name: str, identifier: int) -> None:
        began, why = time.perf_counter(), ""
        for _ in range(self.attempts):
            try:
                asker.send(codec.query(codec.name_of(name), codec.A, identifier))
                while (answer := asker.recv(512))[:2] != identifier.to_bytes(2, "big"):
                    pass
            except OSError as error:
                why = str(error)
                continue
            self.took_s.append((time.perf_counter() - began, name))
            why = "" if codec.parse_reply(answer).answers else f"code {answer[3] & 0xF}"
            break
        if why:
            self.lost.append(f"{name}: {why}")


async def fill(api: Alone) -> None:
    """NAMES Services that are asked for all the time, and enough that are asked for once."""
    writer = await Connection.connect(api.endpoint)
    for name in [*(f"s{number}" for number in range(NAMES)), *(f"new{number}" for number in range(40 * KILLS))]:
        made = {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
        await writer.request("POST", SERVICES.path("default"), dumps(made))
    writer.close()


async def until_asked(asking: list[Asker], count: int) -> None:
    while sum(len(each.took_s) for each in asking) < count:
        await asyncio.sleep(0.05)


async def test_no_question_is_lost_while_the_server_is_killed_fifty_times(tmp_path: Path) -> None:
    where = own_address(), free_ports(1)[0]
    folder = tmp_path / "api"
    async with api_alone(folder) as api:
        await fill(api)
        node = await start(folder, *where)
        known = [
            Asker(where, (f"s{random.randrange(NAMES)}.default.svc.cluster.local" for _ in itertools.count()), PAUSE_S) for _ in range(2)
        ]
        new = Asker(where, (f"new{number}.default.svc.cluster.local" for number in itertools.count()), 0.5, attempts=2)
        try:
            for each in (*known, new):
                each.start()
            await until_asked(known, 2000)
            for kill in range(1, KILLS + 1):
                node.signal(signal.SIGKILL)
                await node.wait()
                node = await start(folder, *where)
                await until_asked(known, kill * LOOKUPS // KILLS)
        finally:
            for each in (*known, new):
                each.over.set()
            for each in (*known, new):
                await asyncio.to_thread(each.join)
            await node.kill()
            await asyncio.to_thread(end, standby_of(folder))
    report(known, new)
    assert sum(len(each.took_s) for each in known) >= LOOKUPS
    assert [lost for each in (*known, new) for lost in each.lost] == []


def report(known: list[Asker], new: Asker) -> None:
    took = sorted((each for asker in known for each in asker.took_s), reverse=True)
    slow = [f"{name} {took_s * 1000:.0f} ms" for took_s, name in took if took_s > 0.1]
    print(f"{len(took)} known names: median {took[len(took) // 2][0] * 1000:.2f} ms, p99 {took[len(took) // 100][0] * 1000:.1f} ms")  # noqa: T201
    print(f"{len(slow)} over 100 ms: {', '.join(slow[:10])}; the slowest {took[0][1]} {took[0][0] * 1000:.0f} ms")  # noqa: T201
    waited = sorted(took_s for took_s, _ in new.took_s)
    print(f"{len(waited)} names asked for once: median {waited[len(waited) // 2] * 1000:.1f} ms, longest {waited[-1]:.1f} s")  # noqa: T201
