"""What the standby runs: the standard library alone, so that it takes little memory. `program.py SOCKET JSON`, as root.

SOCKET: path of a Unix socket by which the next server takes over. JSON: {"sockets": [[descriptor, "udp" or "tcp", address], ...],
"seconds": how long it answers without a server}. On standard input come frames, each a length (four bytes) and JSON:
[whether all is forgotten, {question behind its identifier: answer likewise, or null}], bytes as characters of Latin-1. The end of standard
input is the end of the server.

Who connects to SOCKET gets a line of JSON with the sockets' kinds, the descriptors themselves, and the questions that wait; a byte back
ends this process.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress

MOST_WAITING, LONGEST_QUESTION = 1000, 4096
TAKE_OVER_S = 5.0
Waiting = tuple[int, bytes, tuple[object, ...]]
"""Which of the sockets, the question, and who has asked."""


class Standby:
    def __init__(self, path: str, sockets: list[tuple[socket.socket, str, str]], seconds: float) -> None:
        self.path = path
        self.sockets = sockets
        self.seconds = seconds
        self.answers: dict[bytes, bytes] = {}
        self.waiting: list[Waiting] = []
        self.frame = b""
        self.until: float | None = None
        with suppress(FileNotFoundError):
            os.unlink(path)
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old = os.umask(0o077)
        self.door.bind(path)
        os.umask(old)
        self.door.listen(1)

    def run(self) -> None:
        """Returns when another server has the sockets, or none has come in time."""
        poll = select.poll()
        poll.register(0, select.POLLIN | select.POLLHUP)
        poll.register(self.door, select.POLLIN)
        by_number = {each.fileno(): at for at, (each, kind, _) in enumerate(self.sockets) if kind == "udp"}
        while self.until is None or time.monotonic() < self.until:
            for number, _ in poll.poll(1000):
                if number == 0:
                    if not self._told():
                        poll.unregister(0)
                        self.until = time.monotonic() + self.seconds
                        for udp in by_number:
                            poll.register(udp, select.POLLIN)
                elif number == self.door.fileno():
                    if self._hand_over():
                        return
                else:
                    self._answer(by_number[number])

    def _told(self) -> bool:
        """False: the server has ended."""
        data = os.read(0, 1 << 16)
        if not data:
            return False
        self.frame += data
        while len(self.frame) >= 4 and len(self.frame) >= 4 + (length := struct.unpack_from("!I", self.frame)[0]):
            is_all_forgotten, news = json.loads(self.frame[4 : 4 + length])
            self.frame = self.frame[4 + length :]
            if is_all_forgotten:
                self.answers.clear()
            for question, answer in news.items():
                if answer is None:
                    self.answers.pop(question.encode("latin-1"), None)
                else:
                    self.answers[question.encode("latin-1")] = answer.encode("latin-1")
        return True

    def _answer(self, at: int) -> None:
        bound = self.sockets[at][0]
        for _ in range(64):
            try:
                question, asker = bound.recvfrom(LONGEST_QUESTION)
            except OSError:
                return
            answer = self.answers.get(question[2:])
            if answer is not None:
                with suppress(OSError):
                    bound.sendto(question[:2] + answer, asker)
            elif len(self.waiting) < MOST_WAITING:
                self.waiting.append((at, question, asker))

    def _hand_over(self) -> bool:
        try:
            caller, _ = self.door.accept()
            with caller:
                caller.settimeout(TAKE_OVER_S)
                shown = [[kind, address] for _, kind, address in self.sockets]
                waiting = json.dumps([[at, question.decode("latin-1"), asker] for at, question, asker in self.waiting]).encode()
                head = json.dumps({"sockets": shown, "waiting": len(waiting)}).encode() + b"\n"
                socket.send_fds(caller, [head], [each.fileno() for each, _, _ in self.sockets])
                caller.sendall(waiting)
                return bool(caller.recv(1))
        except (OSError, ValueError):
            return False


def main() -> None:
    path, spec = sys.argv[1], json.loads(sys.argv[2])
    sockets = []
    for number, kind, address in spec["sockets"]:
        held = socket.socket(fileno=number)
        held.setblocking(False)
        sockets.append((held, kind, address))
    Standby(path, sockets, spec["seconds"]).run()


if __name__ == "__main__":
    main()
