"""Pods that listen on their ports and try those of others: over TCP, UDP, ICMP and a protocol without ports, in both IP families."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from tests.e2e.network.conftest import Namespace
from tests.network.policy.judge import Pod

Probe = tuple[str, str, int]
"""Address, protocol, port."""

AGENT = """
import asyncio, json, os, socket, struct, sys
PATIENCE_S = 0.4
def family(address): return socket.AF_INET6 if ':' in address else socket.AF_INET
async def tcp(address, port):
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(address, port)
            ok = await reader.read(2) == b'ok'
            writer.close()
            return ok
    except (OSError, TimeoutError):
        return False
class Ask(asyncio.DatagramProtocol):
    def __init__(self): self.answered = asyncio.get_running_loop().create_future()
    def datagram_received(self, data, where): self.answered.done() or self.answered.set_result(data == b'ok')
    def error_received(self, error): self.answered.done() or self.answered.set_result(False)
async def udp(address, port):
    transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(Ask, remote_addr=(address, port))
    try:
        transport.sendto(b'?')
        return await asyncio.wait_for(asking.answered, PATIENCE_S)
    except TimeoutError:
        return False
    finally:
        transport.close()
async def answer(kind, protocol, address, request, is_mine):
    with socket.socket(kind, socket.SOCK_RAW, protocol) as sock:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_sendto(sock, request, (address, 0))
                while True:
                    data, where = await loop.sock_recvfrom(sock, 2000)
                    data = data[(data[0] & 15) * 4:] if kind == socket.AF_INET else data
                    if where[0] == address and is_mine(data): return True
        except (OSError, TimeoutError):
            return False
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 65535) + (total >> 16)
    return 65535 ^ total
async def icmp(address, port):
    own = os.urandom(4)
    four = family(address) == socket.AF_INET
    first = struct.pack('!BBH', 8 if four else 128, 0, 0) + own
    request = first[:2] + struct.pack('!H', checksum(first)) + own if four else first
    mine = lambda data: data[:1] == (bytes([0]) if four else bytes([129])) and data[4:8] == own
    return await answer(family(address), socket.IPPROTO_ICMP if four else socket.IPPROTO_ICMPV6, address, request, mine)
async def raw(address, port):
    own = os.urandom(4)
    return await answer(family(address), 253, address, b'?' + own, lambda data: data == b'ok' + own)
async def echo_raw(kind):
    sock = socket.socket(kind, socket.SOCK_RAW, 253)
    sock.setblocking(False)
    while True:
        data, where = await asyncio.get_running_loop().sock_recvfrom(sock, 2000)
        data = data[(data[0] & 15) * 4:] if kind == socket.AF_INET else data
        if data[:1] == b'?': await asyncio.get_running_loop().sock_sendto(sock, b'ok' + data[1:5], (where[0], 0))
class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport): self.transport = transport
    def datagram_received(self, data, where): self.transport.sendto(b'ok', where)
async def greet(reader, writer):
    writer.write(b'ok'); await writer.drain()
    while await reader.read(100): writer.write(b'ok'); await writer.drain()
    writer.close()
async def main():
    hosts, echoing = ['0.0.0.0', '::'], []
    for host in hosts:
        for port in (80, 81): await asyncio.start_server(greet, host, port)
        sock = socket.socket(family(host), socket.SOCK_DGRAM)
        if ':' in host: sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, 80))
        await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=sock)
        echoing.append(asyncio.create_task(echo_raw(family(host))))
    print('up', flush=True)
    tries = {'tcp': tcp, 'udp': udp, 'icmp': icmp, 'raw': raw}
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = [tries[protocol](address, port) for address, protocol, port in json.loads(line)]
        print(json.dumps(await asyncio.gather(*asked)), flush=True)
asyncio.run(main())
"""


@dataclass
class Speaker:
    """A pod that listens on its ports and tries those of others."""

    pod: Pod
    process: "subprocess.Popen[bytes]"

    def reaches(self, probes: Sequence[Probe]) -> list[bool]:
        """Blocks."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(list(probes)).encode() + b"\n")
        self.process.stdin.flush()
        found: list[bool] = json.loads(self.process.stdout.readline())
        return found


def speak(namespace: Namespace, pod: Pod) -> Speaker:
    process = subprocess.Popen(namespace.command("python3", "-c", AGENT), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return Speaker(pod, process)
