"""What the standby runs: the standard library alone, so that it takes little memory. `program.py SOCKET JSON`, as root.

SOCKET: path of a Unix socket by which the next server takes over. JSON: {"sockets": [[descriptor, "udp" or "tcp", address], ...],
"seconds": how long it answers without a server}. Standard input is a socket on which come heads (HEAD: a kind, and the lengths of a
key and of an answer), each with key (`answers.key_of`) and answer behind it. TAKEN asks for a byte back; with COMPLETE
this process makes SOCKET its own, and takes the place of the standby that had it. The end of standard input is the end of the server;
before COMPLETE it is the end of this process, for the earlier one knows more.

Who connects to SOCKET gets a line of JSON with the sockets' kinds and two lengths, the descriptors themselves, the questions that wait, and
the keys to which the answers are known, each behind its length in two bytes. From then on this process is still, until the connection
ends: it ends when SOCKET is another one's by then, that server's own standby; if not, that server has ended, and it answers again.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice

HEAD = struct.Struct("!BHH")
ALL_GONE, GONE, KNOWN, TAKEN, COMPLETE = range(5)
HAS_TAKEN, HAS_PLACE = b"+", b"!"
MOST_WAITING, MOST_WAITING_OF_ONE, LONGEST_QUESTION = 1000, 100, 4096
MOST_KNOWN = 26_000
"""Of the keys that are handed over, the newest: all that a server keeps (16 MiB, of which each takes 647 bytes or more), so that
whoever has asked for many names leaves room for those of others here, too."""
WAITING_S = 10.0
"""A question as old as this has been asked again by who still wants the answer."""
TAKE_OVER_S = 5.0
Waiting = tuple[float, int, bytes, tuple[object, ...]]
"""Since when, at which of the sockets, the question, and who has asked."""


def now() -> float:
    """Seconds, with those during which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Standby:
    def __init__(self, path: str, sockets: list[tuple[socket.socket, str, str]], seconds: float) -> None:
        self.path = path
        self.sockets = sockets
        self.seconds = seconds
        self.answers: dict[bytes, bytes] = {}
        self.waiting: deque[Waiting] = deque()
        self.waiting_of: Counter[object] = Counter()
        self.told = bytearray()
        self.caller: socket.socket | None = None
        self.until: float | None = None
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.place: int | None = None
        self.poll = select.poll()

    def run(self) -> None:
        """Returns when another standby has come, or no server in time."""
        self.poll.register(0, select.POLLIN | select.POLLHUP)
        by_number = {each.fileno(): at for at, (each, kind, _) in enumerate(self.sockets) if kind == "udp"}
        while self.until is None or (now() < self.until and self._has_place()):
            for number, _ in self.poll.poll(1000):
                if number in by_number:
                    self._answer(by_number[number])
                    continue
                if number == 0:
                    self._listen()
                elif number == self.door.fileno():
                    self._hand_over()
                else:
                    self._forget_caller()
                self._watch(by_number)
                break

    def _watch(self, udp: Iterable[int]) -> None:
        """Questions are read here as long as there is no server, neither the own one nor one that has taken over."""
        for number in udp:
            with suppress(KeyError):
                self.poll.unregister(number)
            if self.until is not None and self.caller is None:
                self.poll.register(number, select.POLLIN)

    def _take_place(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        old = os.umask(0o077)
        self.door.bind(self.path)
        os.umask(old)
        self.door.listen(1)
        self.place = os.stat(self.path).st_ino
        self.poll.register(self.door, select.POLLIN)

    def _has_place(self) -> bool:
        try:
            return os.stat(self.path).st_ino == self.place
        except OSError:
            return False

    def _forget_caller(self) -> None:
        if self.caller is not None:
            self.poll.unregister(self.caller)
            self.caller.close()
            self.caller = None

    def _listen(self) -> None:
        try:
            data = os.read(0, 1 << 16)
        except OSError:
            data = b""
        self.told += data
        at = 0
        while at + HEAD.size <= len(self.told):
            kind, key_bytes, answer_bytes = HEAD.unpack_from(self.told, at)
            middle = at + HEAD.size + key_bytes
            if middle + answer_bytes > len(self.told):
                break
            self._take(kind, bytes(self.told[at + HEAD.size : middle]), bytes(self.told[middle : middle + answer_bytes]))
            at = middle + answer_bytes
        del self.told[:at]
        if not data:
            self.poll.unregister(0)
            self.until = now() + self.seconds

    def _take(self, kind: int, key: bytes, answer: bytes) -> None:
        if kind == KNOWN:
            self.answers[key] = answer
        elif kind == GONE:
            self.answers.pop(key, None)
        elif kind == ALL_GONE:
            self.answers.clear()
        else:
            if kind == COMPLETE and self.place is None:
                self._take_place()
            with suppress(OSError):
                os.write(0, HAS_PLACE if kind == COMPLETE else HAS_TAKEN)

    def _answer(self, at: int) -> None:
        bound = self.sockets[at][0]
        for _ in range(64):
            try:
                question, asker = bound.recvfrom(LONGEST_QUESTION)
            except OSError:
                return
            # The keys are those of `answers.key_of`: everybody's answer, or that of the address that asks.
            answer = self.answers.get(b"\0" + question[2:]) or self.answers.get(asker[0].encode() + b"\0" + question[2:])
            if answer is not None:
                with suppress(OSError):
                    bound.sendto(question[:2] + answer, asker)
            else:
                self._keep((now(), at, question, asker))

    def _keep(self, waiting: Waiting) -> None:
        """For the next server, if neither all together nor this asker has too many."""
        while self.waiting and self.waiting[0][0] < waiting[0] - WAITING_S:
            self.waiting_of[self.waiting.popleft()[3][0]] -= 1
        asker = waiting[3][0]
        if len(self.waiting) < MOST_WAITING and self.waiting_of[asker] < MOST_WAITING_OF_ONE:
            self.waiting.append(waiting)
            self.waiting_of[asker] += 1

    def _hand_over(self) -> None:
        try:
            caller, _ = self.door.accept()
        except OSError:
            return
        try:
            caller.settimeout(TAKE_OVER_S)
            shown = [[kind, address] for _, kind, address in self.sockets]
            waiting = json.dumps([[at, question.decode("latin-1"), asker] for _, at, question, asker in self.waiting]).encode()
            known = b"".join(struct.pack("!H", len(each)) + each for each in islice(reversed(self.answers), MOST_KNOWN))
            head = json.dumps({"sockets": shown, "waiting": len(waiting), "known": len(known)}).encode() + b"\n"
            socket.send_fds(caller, [head], [each.fileno() for each, _, _ in self.sockets])
            caller.sendall(waiting + known)
        except (OSError, ValueError):
            caller.close()
            return
        self.waiting.clear()
        self.waiting_of.clear()
        self._forget_caller()
        self.caller = caller
        self.poll.register(caller, select.POLLIN | select.POLLHUP)


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
