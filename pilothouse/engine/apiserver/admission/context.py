"""What admission and the write path know of one attempt to write."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
Charged = Callable[[Callable[[], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]]
"""Carries work out in a task of its own at the expense of the request."""

CONDITIONS_S = 0.25
"""Source: RuntimeCELCostBudgetMatchConditions of apiserver/pkg/apis/cel, which upstream gives to each webhook."""


@dataclass(slots=True)
class Budget:
    """What the match conditions of all webhooks may use of the processor for one object of a request, however often its write is tried."""

    left_s: float = CONDITIONS_S


def uncharged(work: Callable[[], Coroutine[Any, Any, None]]) -> Coroutine[Any, Any, None]:
    return work()


@dataclass(frozen=True, slots=True)
class View:
    """The shape in which a subresource shows its object, for those outside of the server.

    show: with apiVersion and kind. take: what is stated in a changed one, into the object, in place.
    """

    show: Callable[[Object], Object]
    take: Callable[[Object, Object], None]


@dataclass(slots=True)
class Reinvocation:
    """What the second round of mutating admission is for: plugins look again at an object that another one has changed since.

    is_wanted: set by the plugin whose change others are to look at. is_second: set by the chain. invoked: webhooks that want to look
    again after somebody else's change; due: those that are to. output: the object as the webhooks left it.
    """

    is_wanted: bool = False
    is_second: bool = False
    invoked: set[str] = field(default_factory=set)
    due: set[str] = field(default_factory=set)
    output: Object | None = None


@dataclass(slots=True)
class Write:
    """value: the new object, a private copy (None of a DELETE; the options of a CONNECT). old: the stored one, never to be changed (None
    of a CREATE).

    name: "" while it is to be generated. A CONNECT opens a session and stores nothing. deadline: in the event loop's time, None for no
    other end than the client's. Each attempt to write has a Write of its own: what one has changed, the next does not see.

    annotate(key, text): notes something for the audit log. The last text of a key counts, so that of the last attempt.
    options: what the client states beside the object. view: of a subresource that shows its object in another shape.
    is_admitted: webhooks have seen, as a request of its own, what this write carries out. charged: for what is done in tasks of its own.
    """

    operation: Operation
    served: ServedResource
    namespace: str
    name: str
    user: User
    value: Object | None = None
    old: Object | None = None
    subresource: str = ""
    dry_run: bool = False
    warn: Callable[[str], None] = lambda text: None
    deadline: float | None = None
    annotate: Callable[[str, str], None] = lambda key, text: None
    options: Object = field(default_factory=dict)
    view: View | None = None
    is_admitted: bool = False
    charged: Charged = uncharged
    conditions: Budget = field(default_factory=Budget)
    reinvocation: Reinvocation | None = None
    _releases: list[Callable[[], None]] = field(default_factory=list)

    @property
    def group_resource(self) -> str:
        return self.served.group_resource

    def new(self) -> Object:
        assert self.value is not None, "only a CREATE or an UPDATE has a new value"
        return self.value

    def on_release(self, release: Callable[[], None]) -> None:
        """Call `release` once the commit has an outcome: what has been reserved is visible in the store then, or void."""
        self._releases.append(release)

    def release(self) -> None:
        """For the write path alone."""
        for release in self._releases:
            release()
        self._releases.clear()
