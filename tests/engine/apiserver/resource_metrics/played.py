"""Nodes that answer for their kubelet API with figures that a test has set; connections are real, over loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object


@dataclass
class PlayedNodes:
    """text: what each node answers; a node without one cannot be reached. hangs: those that say nothing.

    looks: how often each was asked. answered: those that have given their figures.
    """

    text: dict[str, str] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    port: int = 0

    async def connect(self, node: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        name = node["metadata"]["name"]
        self.looks[name] = self.looks.get(name, 0) + 1
        if name not in self.text and name not in self.hangs:
            raise Unavailable(f"error trying to reach node {name}: refused")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return reader, writer, name

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            name = head.partition("Host: ")[2].partition("\r\n")[0]
            if name in self.hangs:
                await reader.read()
                return
            body = self.text[name].encode()
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
            self.answered.add(name)
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def served(self) -> AsyncIterator["PlayedNodes"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()


def figures(at: float, cpu_s: float, *containers: tuple[str, str, float, int, float]) -> str:
    """What a node says at a time. containers: pod, container, CPU seconds, bytes, start."""
    stamp = int(at * 1000)
    lines = [
        "# TYPE node_cpu_usage_seconds_total counter",
        f"node_cpu_usage_seconds_total {cpu_s} {stamp}",
        f"node_memory_working_set_bytes 1.048576e+09 {stamp}",
    ]
    for pod, container, used_s, memory, started_at in containers:
        labels = f'container="{container}",namespace="default",pod="{pod}"'
        lines += [
            f"container_cpu_usage_seconds_total{{{labels}}} {used_s} {stamp}",
            f"container_memory_working_set_bytes{{{labels}}} {memory} {stamp}",
            f"container_start_time_seconds{{{labels}}} {started_at}",
        ]
    return "\n".join([*lines, "resource_scrape_error 0", ""])
