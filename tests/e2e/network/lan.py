"""A link with hosts: namespaces on a bridge, nodes that announce addresses there, and an API server that the test plays for them."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from tests.e2e.network.conftest import Namespace, sh
from tests.engine.controllers.loadbalancer.objects import READY

Make = Callable[[], Namespace]
DEADLINE_S = 15.0


@dataclass
class Host:
    """number: the last part of its addresses, 192.0.2.N and fd00:2::N."""

    lan: "Lan"
    number: int
    namespace: Namespace
    process: "subprocess.Popen[str] | None" = None
    valid_s: int = 30

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def mac(self) -> str:
        return f"02:00:00:00:00:{self.number:02x}"

    def has(self, address: str) -> bool:
        return f"{address}/" in self.namespace.run("ip", "addr", "show", "dev", "eth0")

    def start(self) -> None:
        """Its announcer, which is told all that there is."""
        self.process = subprocess.Popen(
            self.namespace.command(sys.executable, "-m", "tests.e2e.network.announcing", self.name, str(self.valid_s)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(self.process, lines), daemon=True).start()
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()
        for obj in self.lan.objects():
            self.tell(obj)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            self.process = None

    def tell(self, obj: Object) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self.process.stdin.write(json.dumps(obj) + "\n")
                self.process.stdin.flush()

    def _read(self, process: "subprocess.Popen[str]", lines: "queue.SimpleQueue[str]") -> None:
        """By itself, so that a process that is told much can always say what it has to say."""
        with contextlib.suppress(ValueError):
            for line in process.stdout or ():
                lines.put(line)
        lines.put("")

    def _listen(self, lines: "queue.SimpleQueue[str]") -> None:
        while line := lines.get():
            with contextlib.suppress(ValueError):
                self.lan.wrote(self, json.loads(line))


@dataclass
class Lan:
    hosts: dict[str, Host] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    _objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def objects(self) -> list[Object]:
        with self._lock:
            return list(self._objects.values())

    def put(self, obj: Object) -> None:
        with self._lock:
            self._objects[(obj["kind"], meta.name(obj))] = obj
            for host in self.hosts.values():
                host.tell(obj)

    def delete(self, kind: str, name: str) -> None:
        with self._lock:
            obj = self._objects.pop((kind, name), None)
            for host in self.hosts.values() if obj is not None else ():
                host.tell({**obj, "deleted": True})

    def set_ready(self, name: str, *, is_ready: bool) -> None:
        with self._lock:
            node = self._objects[("Node", name)]
            condition = {**READY, "status": "True" if is_ready else "Unknown"}
            self.put({**node, "status": {"conditions": [condition]}})

    def wrote(self, host: Host, write: Object) -> None:
        """What an announcer has asked the API server to write."""
        plural, _, name = write["path"].removesuffix("/status").rpartition("/")
        body = write["body"] or {}
        with self._lock:
            if plural.endswith("/nodes") and "annotations" in (body.get("metadata") or {}):
                node = self._objects[("Node", name)]
                self.put({**node, "metadata": {**node["metadata"], "annotations": body["metadata"]["annotations"]}})
            elif plural.endswith("/nodes"):
                self.said += [f"{each['type']}={each['status']} {each['message']}" for each in body["status"]["conditions"]]
            elif write["path"].endswith("/events"):
                self.said.append(f"{body['reason']} {body['message']}")
            elif plural.endswith("/servicel2statuses") and write["method"] == "DELETE":
                self.delete("ServiceL2Status", name)
            elif plural.endswith("/servicel2statuses"):
                stamp = f"2026-01-01T00:{len(self.said) // 60:02}:{len(self.said) % 60:02}Z"
                self.said.append(f"{name} {body['status']['node']}")
                metadata = {"name": name, "namespace": "metallb-system", "creationTimestamp": stamp}
                self.put({"kind": "ServiceL2Status", "metadata": metadata, "status": body["status"]})

    def has_said(self, *words: str) -> bool:
        with self._lock:
            return any(all(word in each for word in words) for each in self.said)

    def holders(self, address: str) -> list[str]:
        return [host.name for host in self.hosts.values() if host.has(address)]

    def host(self, number: int, make: Make) -> Host:
        """A further one on the link, with both families and without an announcer."""
        namespace = make()
        made = Host(self, number, namespace)
        link = f"lan{number}"
        sh("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "address", made.mac, "netns", str(namespace.process.pid))
        sh("ip", "link", "set", link, "master", "lan0", "up")
        for command in ("link set lo up", "link set eth0 up", f"addr add 192.0.2.{number}/24 dev eth0"):
            namespace.run("ip", *command.split())
        namespace.run("ip", "addr", "add", f"fd00:2::{number:x}/64", "dev", "eth0", "nodad")
        return made

    def node(self, number: int, make: Make, valid_s: int = 30) -> Host:
        made = self.host(number, make)
        made.valid_s = valid_s
        self.hosts[made.name] = made
        metadata = {"name": made.name, "uid": made.name, "creationTimestamp": "2026-01-01T00:00:00Z"}
        self.put({"kind": "Node", "metadata": metadata, "status": {"conditions": [READY]}})
        made.start()
        return made


@contextlib.contextmanager
def lan() -> Iterator[Lan]:
    sh("ip", "link", "add", "lan0", "type", "bridge", "mcast_snooping", "0")
    sh("ip", "link", "set", "lan0", "up")
    made = Lan()
    try:
        yield made
    finally:
        for host in made.hosts.values():
            host.kill()


def balanced(name: str, *addresses: str, **spec: Any) -> Object:
    """A Service that has been given these."""
    metadata = {"name": name, "namespace": "default", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "protocol": "TCP"}], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": each, "ipMode": "VIP"} for each in addresses]}},
    }


def of_pool(kind: str, name: str, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "metallb-system", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": kind, "metadata": metadata, "spec": spec}


def refused(source: Namespace, address: str, port: int = 81) -> bool:
    """Whether somebody answers for the address on the link: by refusing a connection, since nobody listens."""
    program = (
        "import socket,sys\n"
        f"s=socket.socket(socket.AF_INET6 if ':' in '{address}' else socket.AF_INET)\n"
        f"s.settimeout(1)\ntry:\n    s.connect(('{address}',{port}))\n"
        "except ConnectionRefusedError:\n    print('refused')\nexcept OSError as e:\n    print(e)\n"
    )
    return source.run(sys.executable, "-S", "-c", program).strip() == "refused"


def send(source: Namespace, frame: bytes) -> None:
    program = (
        f"import socket; s=socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0',0)); s.send(bytes.fromhex('{frame.hex()}'))"
    )
    source.run(sys.executable, "-S", "-c", program)


def mac_of(source: Namespace, address: str) -> str:
    """Who answers for the address, as the source has learnt."""
    words = source.run("ip", "neigh", "show", address).split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def eventually(holds: Callable[[], Any], within_s: float = DEADLINE_S) -> float:
    """Seconds that it has taken."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "it never held"
        time.sleep(0.02)
    return time.monotonic() - began
