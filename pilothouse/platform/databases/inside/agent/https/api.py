"""What can be asked of an agent."""

import sys
import threading
from collections.abc import Generator
from contextlib import closing

from pilothouse.platform.databases.inside.agent import dump, logs, wanted
from pilothouse.platform.databases.inside.agent.https import bodies
from pilothouse.platform.databases.inside.agent.https.handler import Handler, Problem, Route
from pilothouse.platform.databases.inside.agent.job import Failed
from pilothouse.platform.databases.inside.agent.loop import Loop
from pilothouse.platform.databases.inside.agent.memory import Outdated
from pilothouse.platform.databases.inside.agent.metrics.exposition import CONTENT_TYPE
from pilothouse.platform.databases.inside.agent.metrics.scrape import Scraper
from pilothouse.platform.databases.inside.agent.seed import copy
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.state import STUCK_S

MOST_WAIT_S = 60.0
MOST_FOLLOWING = 8

Routes = dict[tuple[str, str], Route]


class Api:
    def __init__(self, settings: Settings, loop: Loop) -> None:
        self._settings = settings
        self._loop = loop
        self._following = threading.BoundedSemaphore(MOST_FOLLOWING)
        self._scraper = Scraper(settings, loop.board.read)

    def routes(self) -> Routes:
        return {
            ("GET", "/live"): Route(self._live),
            ("GET", "/ready"): Route(self._ready),
            ("GET", "/metrics"): Route(self._metrics),
            ("GET", "/v1/state"): Route(self._state, ("operator", "job")),
            ("GET", "/v1/clone"): Route(self._clone, ("member", "job")),
            ("GET", "/v1/dump"): Route(self._dump, ("job",)),
            ("GET", "/v1/log"): Route(self._log, ("operator", "job")),
            ("PUT", "/v1/seed"): Route(self._seed, ("job",)),
            ("PUT", "/v1/wanted"): Route(self._wanted, ("operator",)),
        }

    def _live(self, request: Handler) -> None:
        request.send(200, {})

    def _ready(self, request: Handler) -> None:
        """Also while the last order is not carried out: what is ready is the server, in its role. So is one without a free connection."""
        state = self._loop.board.read()
        serves = (state.get("answers") and state.get("role") != "none") or state.get("refuses")
        is_ready = bool(serves) and float(str(state["looked_ago_s"])) < STUCK_S
        request.send(200 if is_ready else 503, {"ready": is_ready})

    def _metrics(self, request: Handler) -> None:
        """Numbers only, no text of a statement or an error: for everybody whom the network lets come."""
        request.send_body(200, self._scraper.text().encode(), CONTENT_TYPE)

    def _state(self, request: Handler) -> None:
        query = request.query
        try:
            after, wait_s = int(query.get("after", "-1")), float(query.get("wait", "0"))
        except ValueError as error:
            raise Problem(400, {"error": "after is a sequence and wait a number of seconds"}) from error
        request.send(200, self._loop.board.read(after, min(MOST_WAIT_S, max(0.0, wait_s)), request.is_gone))

    def _clone(self, request: Handler) -> None:
        self._copy(request, copy.stream(self._settings))

    def _dump(self, request: Handler) -> None:
        self._copy(request, dump.stream(self._settings))

    def _copy(self, request: Handler, pieces: Generator[bytes]) -> None:
        """One at a time: each reads the whole data."""
        if not self._loop.board.read().get("answers"):
            raise Problem(503, {"error": "the server does not answer"})
        if not self._loop.copying.acquire(blocking=False):
            raise Problem(503, {"error": "another copy is being taken"})
        try:
            with closing(pieces):
                bodies.send(request, pieces)
        except Failed as error:
            sys.stderr.write(f"a copy of the data could not be sent: {error}\n")
        finally:
            self._loop.copying.release()

    def _log(self, request: Handler) -> None:
        query = request.query
        places = {"error": self._settings.error_log, "slow": self._settings.slow_log}
        log, lines = places.get(query.get("kind", "error")), query.get("lines", "100")
        if log is None or not lines.isdigit():
            raise Problem(400, {"error": "kind is error or slow, and lines a number"})
        if not query.get("follow"):
            return request.send_body(200, logs.last_lines(log, int(lines)), "text/plain; charset=utf-8")
        if not self._following.acquire(blocking=False):
            raise Problem(503, {"error": f"{MOST_FOLLOWING} logs are being followed already"})
        try:
            bodies.send(request, logs.follow(log, int(lines)))
        finally:
            self._following.release()
        return None

    def _seed(self, request: Handler) -> None:
        if why := self._loop.pushed.hindrance(self._loop.wanted, request.query.get("id", "")):
            raise Problem(409, {"error": why})
        try:
            self._loop.pushed.take(bodies.read(request))
        except (Failed, OSError) as error:
            raise Problem(400, {"error": str(error)}) from error
        request.send(200, {})

    def _wanted(self, request: Handler) -> None:
        order = wanted.parse(request.body())
        if order.uid != self._settings.uid:
            raise Problem(409, {"error": "the order is for another instance", "uid": self._settings.uid})
        try:
            self._loop.obey(order)
        except Outdated as error:
            raise Problem(409, {"error": str(error), "term": error.term}) from error
        except OSError as error:
            raise Problem(507, {"error": f"the term cannot be kept: {error}"}) from error
        request.send(200, self._loop.board.read())
