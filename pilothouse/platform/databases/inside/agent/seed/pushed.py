"""Data that a job pushes: taken only while they are waited for, by one request at a time."""

import threading
from collections.abc import Callable, Iterable

from pilothouse.platform.databases.inside.agent.job import Failed
from pilothouse.platform.databases.inside.agent.seed import copy
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.wanted import Wanted


class Pushed:
    """doing: what is being taken, "" when nothing is. changed: called when that changes."""

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._taking = threading.Lock()
        self.doing = ""

    def hindrance(self, wanted: Wanted | None, id: str) -> str:
        """Why data with this id are not taken now; "" when they are."""
        if self._settings.mysql.exists():
            return "this member has data already"
        if wanted is None or wanted.seed is None or wanted.seed.kind != "pushed":
            return "no data are waited for"
        return "" if wanted.seed.id == id else f"data with the id {wanted.seed.id} are waited for"

    def take(self, pieces: Iterable[bytes]) -> None:
        """Returns when they are whole and in place. Raises Failed, OSError."""
        if not self._taking.acquire(blocking=False):
            raise Failed("data are being pushed already")
        try:
            self._tell("receiving data")
            copy.take(self._settings, pieces, lambda text: self._tell(f"receiving data: {text}"))
        finally:
            self._tell("")
            self._taking.release()

    def _tell(self, doing: str) -> None:
        self.doing = doing
        self._changed()
