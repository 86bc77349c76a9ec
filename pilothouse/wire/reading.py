"""The receiving half of a connection: feeds the parser, and decides what follows a request to upgrade.

llhttp stops behind such a request. What follows is held back until the handler has taken the connection over (then it
belongs to the new protocol) or has answered plainly (then it is the next request).
"""

import re
from collections.abc import Callable
from typing import Any

import httptools

from pilothouse.wire.budget import Share
from pilothouse.wire.intake import Intake, Refusal
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import Request

_METHOD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ")
"""A token. Source: RFC 9110, section 5.6.2."""
_HTTP_2 = b"PRI * HTTP/2"
"""Source: RFC 9113, section 3.4."""


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
        budget: Share,
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
            if intake.begun:
                if begun and serial == intake.serial:
                    intake.count(len(data))
                if not intake.in_body:
                    intake.hold_head(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            return self._stopped(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidMethodError as error:
            known = b"" if begun or intake.method else _with_known_method(data, intake)
            if known and intake.serial <= serial + 1:
                self._renew()
                return self.feed(known)
            self._refuse(Refusal(400, f"malformed request: {error}"))
        except httptools.HttpParserError as error:
            self._refuse(intake.refusal or _refusal(data, error))
        except Refusal as refusal:
            self._refuse(refusal)
        return intake.begun and not self.deaf and not (begun and serial == intake.serial and in_body == intake.in_body)

    def release(self) -> bytes:
        """Take what was held back; reading goes on."""
        held, self.held, self.holding = self.held, b"", False
        return held

    def let_go(self) -> None:
        """The connection is lost: drop what has arrived, and the ways back to the connection, which would keep both alive."""
        self.intake.let_go()
        self._parser = None
        self._refuse = _ignore

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


def _refusal(data: bytes, error: httptools.HttpParserError) -> Refusal:
    if data.startswith(_HTTP_2):
        return Refusal(505, "HTTP/2 is not spoken here: ask with HTTP/1.1")
    return Refusal(400, f"malformed request: {error}")


def _with_known_method(data: bytes, intake: Intake) -> bytes:
    """What begins with a method that the parser does not know, such as `get` or `PURGE`, with one that it knows; else nothing.

    The method is the handler's to refuse, as any that a resource does not have. Only at the beginning of what a read brings: a client
    that has sent such a request ahead of its answers is refused by the parser's word.
    """
    found = _METHOD.match(data)
    if found is None:
        return b""
    intake.method = found[1]
    return b"POST " + data[found.end() :]


def _ignore(_: object) -> None:
    """For a connection that is lost."""
