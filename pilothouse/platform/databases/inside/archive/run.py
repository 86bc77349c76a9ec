"""The archive's pod: follows the primary, whoever that is, and keeps what it says.

It goes on where the store's last segment ends, so it may be killed at any time. A new primary may lack the last transactions of its
predecessor (nobody has acknowledged them): then it goes on from the last one that both have. What a server no longer has leaves a gap,
which is told until the next backup.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.platform.databases.inside.archive import follow
from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.archive.follow import Away, Purged, connect, events
from pilothouse.platform.databases.inside.archive.groups import Clock, groups
from pilothouse.platform.databases.inside.archive.keeper import Keeper
from pilothouse.platform.databases.inside.archive.merger import Merger
from pilothouse.platform.databases.inside.archive.position import after, position, reaches, text
from pilothouse.platform.databases.inside.archive.runs import Run
from pilothouse.platform.databases.inside.archive.segment import Name
from pilothouse.platform.databases.inside.archive.status import serve
from pilothouse.platform.databases.inside.outcome import say
from pilothouse.platform.databases.inside.settings import Settings
from pilothouse.platform.databases.inside.store.sealed import BrokenSeal
from pilothouse.platform.databases.inside.store.seam import Missing, StoreError

if TYPE_CHECKING:
    from pymysql.connections import Connection

_AGAIN_S = 0.5
_WATCHED_S = 5.0
_STEPS_BACK = 1000
"""Transactions that a new primary may lack."""


def run(environ: Mapping[str, str], arguments: list[str]) -> int:
    settings = Settings.of(environ)
    archive = Archive(settings.store(), settings.keys(), settings["ARCHIVE"])
    found = _patiently(archive)
    last = found[-1][-1].name if found else Name(0, "", "")
    keeper = Keeper(archive, last.number + 1, last.last)
    if len(found) > 1:
        keeper.tell_gap(found[-2][-1].last, found[-1][0].name.after)
    serve(keeper, int(settings.environ.get("STATUS_PORT") or 8080), settings.environ.get("STATUS_HOST") or "0.0.0.0")  # noqa: S104
    follower = _Follower(settings, archive, keeper)
    for work in (follower.run, follower.watch, Merger(archive, keeper).run):
        threading.Thread(target=_to_the_end, args=(work,), daemon=True).start()
    keeper.run()
    return 0


def _patiently(archive: Archive) -> list[Run]:
    while True:
        try:
            archive.tidy()
            return archive.runs()
        except StoreError as error:
            say(f"the archive waits: {error.message}")
            time.sleep(5)


class _Follower:
    def __init__(self, settings: Settings, archive: Archive, keeper: Keeper) -> None:
        self._told, self._archive, self.keeper = settings, archive, keeper
        self._began = bool(keeper.position)
        digest = hashlib.sha256(settings["INSTANCE_UID"].encode()).digest()
        self._server_id = (1 << 31) + int.from_bytes(digest[:3], "big")

    def run(self) -> None:
        """For ever."""
        while True:
            try:
                self.once()
            except Purged as purged:
                self._step_back_quietly(str(purged))
            except Away as away:
                self.keeper.wants("PrimaryUnreachable", f"the archive waits for the primary: {away}")
            time.sleep(_AGAIN_S)

    def watch(self) -> None:
        """For ever: while the archive waits the server may have to remove what it lacks. That is told at once, not when it goes on."""
        while True:
            time.sleep(_WATCHED_S)
            if self.keeper.status.reason:
                with contextlib.suppress(Away, Purged):
                    begin = self._begin()
                    if not reaches(position(self.keeper.received), position(begin)):
                        self.keeper.tell_gap(self.keeper.received, begin)

    def once(self) -> None:
        """Until the connection is lost. Raises Purged, Away."""
        found = events(self._connect(), self.keeper.received, self._server_id)
        for each in groups(found, Clock()):
            self._began = True
            self.keeper.take(each)
            if self.keeper.status.reason == "PrimaryUnreachable":
                self.keeper.wants("", "")

    def step_back(self, words: str) -> None:
        """From a position that the server does not have to one that it has."""
        for at in self._earlier():
            if self._has(at):
                say(f"the server has not {self.keeper.position}: the archive goes on from {at}")
                self.keeper.starts_at(at)
                return
        begin = self._begin()
        # What the server still has is archived, too.
        at = begin if reaches(position(begin), position(self.keeper.position)) else follow.end(self._connect())
        if self._began:
            say(f"the archive has a gap between {self.keeper.position or 'its begin'} and {at}. The server says: {words}")
            self.keeper.tell_gap(self.keeper.position, at)
        self.keeper.starts_at(at)

    def _step_back_quietly(self, words: str) -> None:
        try:
            self.step_back(words)
        except (Away, Purged, StoreError) as error:
            self.keeper.wants("PrimaryUnreachable", f"the archive waits: {error}")

    def _earlier(self) -> Iterator[str]:
        """Positions before each of the last transactions, newest first."""
        left = _STEPS_BACK
        for run in reversed(self._archive.runs()):
            for link in reversed(run):
                at, found = position(link.name.after), deque([link.name.after], _STEPS_BACK)
                try:
                    for _, groups in self._archive.sections(link):
                        for group in groups:
                            at = after(at, group.gtid)
                            found.append(text(at))
                except (BrokenSeal, Missing) as error:
                    say(f"the archive can't be read back: {error}")
                    return
                for each in islice(reversed(found), 1, None):
                    yield each
                    left -= 1
                    if left == 0:
                        return
            return

    def _has(self, at: str) -> bool:
        return follow.has(self._connect(), at, self._server_id)

    def _begin(self) -> str:
        """The position at which the server's own log begins. Raises Away."""
        return follow.begin(self._connect(), self._server_id + 1)

    def _connect(self) -> "Connection[Any]":
        told = self._told.environ
        return connect(
            told["PRIMARY_HOST"], int(told["PRIMARY_PORT"]), told["USER"], self._password(), told.get("CA") or None, told.get("SOCKET")
        )

    def _password(self) -> str:
        place = self._told.environ.get("PASSWORD_FILE")
        return Path(place).read_text().strip() if place else ""


def _to_the_end(run: Callable[[], None]) -> None:
    """A thread that ends takes the pod with it: it starts anew."""
    try:
        run()
    finally:
        os._exit(1)
