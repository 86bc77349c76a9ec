"""Lines about single questions, for those who ask for them with `log` and `errors`; a pod that asks a lot does not fill the log."""

import time

import structlog

from pilothouse.network.dns import codec
from pilothouse.network.dns.codec import Question

log = structlog.get_logger("network.dns")
MOST_LINES, EACH_S = 1000, 10.0


class QueryLog:
    def __init__(self) -> None:
        self._until = 0.0
        self._lines = self._left_out = 0

    def note(self, question: Question, asker: str, stream: bool) -> None:
        if self._may():
            name = codec.text_of(question.name)[:255]
            log.info("question", name=name, type=question.type, asker=asker, protocol="tcp" if stream else "udp")

    def failed(self, question: Question, why: str) -> None:
        if self._may():
            log.warning("name not resolved", name=codec.text_of(question.name)[:255], type=question.type, why=why)

    def _may(self) -> bool:
        now = time.monotonic()
        if now >= self._until:
            if self._left_out:
                log.info("questions not shown", count=self._left_out)
            self._until, self._lines, self._left_out = now + EACH_S, 0, 0
        self._lines += 1
        if self._lines <= MOST_LINES:
            return True
        self._left_out += 1
        return False
