"""The receiving half of a connection: feeds the parser, and decides what follows a request to upgrade.

llhttp stops behind such a request. What follows is held back until the handler has taken the connection over (then it
belongs to the new protocol) or has answered plainly (then it is the next request).
"""

from collections.abc import Callable
from typing import Any

import httptools

from pilothouse.wire.budget import Budget
from pilothouse.wire.intake import Intake, Refusal
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import Request


class Reading:
    """deaf: no request is taken any more. holding: what follows a request to upgrade is kept in `held`."""

    __slots__ = ("_parser", "_refuse", "deaf", "held", "holding", "intake")

    def __init__(
        self,
        limits: Limits,
        deliver: Callable[[Request], None],
        expect: Callable[[], None],
        refuse: Callable[[Refusal], None],
        *,
        body_limit: Callable[[Request], int],
        budget: Budget,
    ) -> None:
        self.intake = Intake(limits, deliver, expect, body_limit=body_limit, budget=budget)
        self.deaf = False
        self.holding = False
        self.held = b""
        self._refuse = refuse
        self._parser: Any
        self._renew()

    def feed(self, data: bytes) -> bool:
        """Parse; returns whether the head or the body of a request has begun to arrive and is not complete."""
        if self.deaf:
            return False
        if self.holding:
            self.held += data
            return False
        intake = self.intake
        begun, serial, in_body = intake.begun, intake.serial, intake.in_body
        try:
            self._parser.feed_data(data)
            if begun and serial == intake.serial:
                intake.count(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            return self._stopped(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(intake.refusal or Refusal(400, f"malformed request: {error}"))
        except Refusal as refusal:
            self._refuse(refusal)
        return intake.begun and not self.deaf and not (begun and serial == intake.serial and in_body == intake.in_body)

    def release(self) -> bytes:
        """Take what was held back; reading goes on."""
        held, self.held, self.holding = self.held, b"", False
        return held

    def _stopped(self, rest: bytes) -> bool:
        self._renew()
        if self.intake.postponed is not None:
            return self.feed(self.intake.body_head() + rest)
        if not self.deaf:
            self.holding = True
            self.held = rest
        return False

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self.intake)
        self.intake.parser = self._parser
