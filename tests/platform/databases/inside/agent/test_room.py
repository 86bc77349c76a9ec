"""Clients that show nothing keep nobody out who shows a certificate."""

import socket
import ssl
import time
from contextlib import ExitStack

from pilothouse.platform.databases.inside.agent.https.room import MOST_UNKNOWN, Room
from tests.platform.databases.lab import Lab


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    return ours, theirs


def is_ended(theirs: socket.socket) -> bool:
    theirs.setblocking(False)
    try:
        return theirs.recv(1) == b""
    except BlockingIOError:
        return False


def test_the_oldest_of_the_peer_that_has_most_is_ended() -> None:
    room = Room(most_unknown=4)
    made = {name: pair() for name in ("one", "greedy 1", "greedy 2", "greedy 3", "new", "newer")}
    for name, (ours, _) in made.items():
        room.enter(ours, name.partition(" ")[0])
    assert [name for name, (_, theirs) in made.items() if is_ended(theirs)] == ["greedy 1", "greedy 2"]
    for ours, theirs in made.values():
        ours.close()
        theirs.close()


def test_one_that_has_shown_a_certificate_makes_room_for_others() -> None:
    room = Room(most_known=1, most_unknown=1)
    made = [pair() for _ in range(3)]
    room.enter(made[0][0], "a")
    assert room.recognize(made[0][0])
    room.enter(made[1][0], "a")
    assert not room.recognize(made[1][0])
    room.leave(made[0][0])
    assert room.recognize(made[1][0])
    assert not any(is_ended(theirs) for _, theirs in made)
    for ours, theirs in made:
        ours.close()
        theirs.close()


def test_the_operator_is_heard_while_others_take_all_connections() -> None:
    lab = Lab(1)
    try:
        member = lab[0]
        member.start()
        member.until_up()
        with ExitStack() as opened:
            silent = [opened.enter_context(socket.create_connection(("127.0.0.1", member.port))) for _ in range(MOST_UNKNOWN * 3)]
            context = ssl._create_unverified_context()
            for connection in silent[-20:]:
                connection.settimeout(1)
                try:
                    opened.enter_context(context.wrap_socket(connection))
                except OSError:
                    continue
            for _ in range(3):
                began = time.monotonic()
                assert member.state()["member"] == member.name
                assert time.monotonic() - began < 4, "less than the time that a handshake may take"
    finally:
        lab.close()


def test_one_who_sends_much_is_told_why_it_is_refused() -> None:
    lab = Lab(1)
    try:
        member = lab[0]
        member.start()
        member.until_up()
        status, said = member.push("/v1/seed?id=4", bytes(32 << 20))
        assert (status, bool(said["error"])) == (409, True)
    finally:
        lab.close()
