"""Measures when somebody asks, one at a time and at most once a second, however many ask.

Only statements that answer while commits wait for acknowledgements: SHOW BINARY LOGS does not, so files are counted instead. A connection
of its own for each scrape: one that is kept costs the server a thread, and one of clients' when all are taken.
"""

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from pilothouse.platform.databases.inside.agent import changes
from pilothouse.platform.databases.inside.agent.metrics import catalogue, readings, samples
from pilothouse.platform.databases.inside.agent.metrics.exposition import Sample, text
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql, Unreachable

KEPT_S = 1.0
"""For so long an answer serves all who ask."""
STATEMENT_S = 1.0


class Scraper:
    """For any thread. state: gives the agent's last one, at once."""

    def __init__(self, settings: Settings, state: Callable[[], Mapping[str, object]]) -> None:
        self._settings = settings
        self._state = state
        self._one_at_a_time = threading.Lock()
        self._text = ""
        self._until = 0.0

    def text(self) -> str:
        """Within STATEMENT_S for each of three statements (six of MySQL's), and two for the connection, whatever the server does."""
        with self._one_at_a_time:
            if time.monotonic() >= self._until:
                self._text = text(self._samples(), self._labels())
                self._until = time.monotonic() + KEPT_S
            return self._text

    def _labels(self) -> Mapping[str, str]:
        return {"namespace": self._settings.namespace, "mysql": self._settings.instance, "member": self._settings.member}

    def _samples(self) -> list[Sample]:
        state = self._state()
        found = [*samples.of_state(state), Sample(catalogue.MEASURED, round(time.time(), 3), {}), *_of_agent()]
        try:
            found += samples.of_logs(changes.logs(self._settings.mysql, time.time()))
            if state.get("answers"):
                found += samples.of_server(self._read())
        except (Unreachable, Refused, OSError):
            return [*found, Sample(catalogue.SCRAPE_ERROR, 1.0, {})]
        return [*found, Sample(catalogue.SCRAPE_ERROR, 0.0, {})]

    def _read(self) -> samples.Readings:
        """Raises Unreachable, Refused."""
        with closing(Sql(self._settings.socket, self._settings.user, STATEMENT_S)) as sql:
            return readings.read(sql, self._settings.flavour)


def _of_agent() -> Iterator[Sample]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield Sample(catalogue.AGENT_CPU, used.ru_utime + used.ru_stime, {})
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    yield Sample(catalogue.AGENT_MEMORY, float(pages * os.sysconf("SC_PAGE_SIZE")), {})
