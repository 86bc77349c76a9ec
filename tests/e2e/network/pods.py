"""Pods without a container runtime: the installed plug-in called as a runtime does, and HTTP servers inside."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pilothouse.network.pod import PodNetwork, PodNetworkConfig
from tests.e2e.network.conftest import Namespace


class Component(Protocol):
    async def run(self, ready: asyncio.Event) -> None: ...


def pod_config(tmp_path: Path, **more: Any) -> PodNetworkConfig:
    settings: dict[str, Any] = {"instance": "pht", "pod_cidrs": ("10.244.7.0/24",), "device": "pht0", "shared_state": tmp_path / "shared"}
    settings |= {"socket": tmp_path / "cni.sock", "conf_dir": tmp_path / "net.d", "bin_dir": tmp_path / "bin"}
    return PodNetworkConfig(**(settings | more))


@contextlib.asynccontextmanager
async def running(component: Component) -> AsyncIterator[None]:
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(component.run(ready))
        async with asyncio.timeout(25):
            await ready.wait()
        yield
        task.cancel()


class Runtime:
    """Calls the plug-in as a container runtime does."""

    def __init__(self, network: PodNetwork) -> None:
        self.config = network.config

    async def call(self, command: str, container: str, netns: str = "", **runtime: object) -> tuple[int, dict[str, Any]]:
        environment = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": netns, "CNI_IFNAME": "eth0"}
        environment |= {"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web", "PATH": os.environ["PATH"]}
        stdin = json.dumps({"cniVersion": "1.0.0", "name": "pilothouse", "type": "pilothouse", "runtimeConfig": runtime}).encode()

        def execute() -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(
                [self.config.bin_dir / "pilothouse"], input=stdin, capture_output=True, env=environment, timeout=20, check=False
            )

        done = await asyncio.to_thread(execute)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}

    async def add(self, container: str, pod: Namespace, **runtime: object) -> str:
        status, answer = await self.call("ADD", container, pod.path, **runtime)
        assert status == 0, answer
        return str(answer["ips"][0]["address"]).partition("/")[0]

    async def add_all(self, container: str, pod: Namespace, **runtime: object) -> tuple[str, ...]:
        """The addresses of all families."""
        status, answer = await self.call("ADD", container, pod.path, **runtime)
        assert status == 0, answer
        return tuple(str(each["address"]).partition("/")[0] for each in answer["ips"])


Make = Callable[[], Namespace]


def answers(pod: Namespace, text: str, port: int = 80) -> "subprocess.Popen[bytes]":
    """An HTTP server in the namespace; ends with the namespace's keeper at the latest."""
    program = (
        "import http.server,socket,sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        f"        body=('{text} '+self.client_address[0].removeprefix('::ffff:')).encode()\n"
        "        self.send_response(200); self.send_header('Content-Length',str(len(body))); self.end_headers(); self.wfile.write(body)\n"
        "    def log_message(self,*a): pass\n"
        "class S(http.server.ThreadingHTTPServer):\n"
        "    address_family=socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET\n"
        "    def server_bind(self):\n"
        "        if self.address_family==socket.AF_INET6: self.socket.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_V6ONLY,0)\n"
        "        super().server_bind()\n"
        f"s=S(('',{port}),H); print('up',flush=True); s.serve_forever()\n"
    )
    process = subprocess.Popen(pod.command("python3", "-c", program), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


@contextlib.contextmanager
def serving(pod: Namespace, text: str, port: int = 80) -> Iterator[None]:
    process = answers(pod, text, port)
    try:
        yield
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def fetch(url: str, source: Namespace | None = None, *, expect: int = 0) -> str:
    """expect: curl's exit status."""
    command = ["curl", "--silent", "--show-error", "--max-time", "5", url]
    done = subprocess.run(source.command(*command) if source else command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == expect, (url, done.stdout, done.stderr)
    return done.stdout
