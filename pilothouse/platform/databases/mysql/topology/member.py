"""A member of an instance as the operator sees it: what its agent said last and when, and its pod (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pilothouse.platform.databases.mysql.topology.gtid import GtidError, Position, parse

SILENT_S = 3.0
"""An agent that was not heard of for so long counts as away. Agents that do not rest answer at least once a second."""

STUCK_S = 7.0
"""A server that is there and has not answered for so long counts as ended, be it that it hangs or is long in starting. Its agent
asks with a patience of 3 s, twice then."""


def is_stale(state: Mapping[str, Any]) -> bool:
    """Whether the agent has not looked at its server for so long that what it says counts as nothing."""
    return float(state.get("looked_ago_s") or 0) >= SILENT_S


Role = Literal["primary", "replica", "none"]


@dataclass(frozen=True, slots=True)
class Member:
    """heard_ago_s: since the agent's last answer; None when it never has. state: that answer, see the agent's API.

    leaves: the member's pod is being deleted, or is to be restarted or removed: it should not be primary.
    is_led: the cluster tells that its pod has the label by which the writing Service leads to it.
    silent_s: for how long this operator has not heard of it, counted from when it began to listen; 0 while it hears it.
    earlier: the same member by a word of some moment before.
    """

    name: str
    heard_ago_s: float | None = None
    state: Mapping[str, Any] | None = None
    leaves: bool = False
    is_led: bool = True
    silent_s: float = 0.0
    earlier: "Member | None" = None

    @property
    def words(self) -> list["Member"]:
        """What it said last, and before. Members are asked one after the other, always in the same order: while clients write, one that is
        asked first is behind the others in each round, and positions show that somebody has what another one had only if one is earlier.
        """
        return [self] if self.earlier is None else [self, self.earlier]

    @property
    def is_heard(self) -> bool:
        """Also not when the agent answers and knows nothing new itself, as when its volume hangs."""
        is_recent = self.heard_ago_s is not None and self.heard_ago_s < SILENT_S
        return self.state is not None and is_recent and not is_stale(self.state)

    @property
    def has_stuck_agent(self) -> bool:
        """Whether its agent answers and has not looked at the server for long, as when the volume of both hangs."""
        is_recent = self.heard_ago_s is not None and self.heard_ago_s < SILENT_S
        return is_recent and float(self._of("looked_ago_s", 0)) >= STUCK_S

    @property
    def term(self) -> int:
        return int(self._of("term", 0))

    @property
    def role(self) -> Role:
        role: Role = self._of("role", "none")
        return role

    @property
    def data(self) -> str:
        """empty, seeding or ready; unknown while the agent was never heard."""
        return str(self._of("data", "unknown"))

    @property
    def has_data(self) -> bool:
        return self.data == "ready"

    @property
    def runs(self) -> bool:
        return self.is_heard and self._of("process", "") == "running"

    @property
    def has_ended(self) -> bool:
        """Whether it is known that its server does not run."""
        return self.is_heard and self._of("process", "") in ("absent", "ended")

    @property
    def answers(self) -> bool:
        return self.runs and bool(self._of("answers", False))

    @property
    def refuses(self) -> bool:
        """Whether its server runs and does not let its agent in, as when clients have taken all connections."""
        return self.runs and bool(self._of("refuses", False))

    @property
    def untruncated(self) -> bool:
        """Whether its server does not start because it cannot take back what was never acknowledged."""
        return bool(self._of("untruncated", False))

    @property
    def is_stuck(self) -> bool:
        """Whether its server is there and has not answered for long: agents say of one that hangs that it is starting."""
        return self.is_heard and self._of("process", "") in ("running", "starting") and float(self._of("unanswered_s", 0)) >= STUCK_S

    @property
    def is_writable(self) -> bool:
        return self.answers and self.role == "primary" and bool(self._of("writable", False))

    @property
    def is_drained(self) -> bool:
        return self.answers and bool(self._of("drained", False))

    @property
    def is_gated(self) -> bool:
        return self.answers and bool(self._of("gate", False))

    @property
    def waits_for_acknowledgements(self) -> bool:
        return bool(self._part("semi_sync").get("on"))

    @property
    def acknowledges(self) -> bool:
        return bool(self._part("semi_sync").get("acknowledges"))

    def obeys(self, term: int, step: int) -> bool:
        """Whether what it says was seen after its agent had begun to obey the orders of that decision.

        So it is of a later moment than all that the decision was made from: that is how words of several members are put in order.
        """
        told = self._part("told")
        return self.is_heard and self.term == term and told.get("step") == step

    def is_silenced(self, term: int, step: int) -> bool:
        """Whether it certainly acknowledges nothing from that decision on: it does not, and its agent holds an order not to.

        A server that ended is no proof without that order: its agent starts it again by the one that it holds. One that runs and does
        not answer its agent may acknowledge still.
        """
        is_silent = self.has_ended or (self.answers and not self.acknowledges)
        return is_silent and self.obeys(term, step) and not self._part("told").get("acknowledges")

    @property
    def reseeded(self) -> str:
        """The last occasion on which its data were copied anew."""
        return str(self._of("reseeded", ""))

    @property
    def fence_term(self) -> int:
        """The term at whose order it has stopped to receive from anybody; 0 when it may receive."""
        return int(self._part("replication").get("stopped_io_at_term") or 0)

    @property
    def read_only_s(self) -> float | None:
        """For how long a primary that hands over has taken no writes, by its own clock."""
        found = None if self.state is None else self.state.get("read_only_s")
        return None if found is None else float(found) + float(self._of("looked_ago_s", 0)) + (self.heard_ago_s or 0.0)

    @property
    def source(self) -> str:
        """The member that it follows, or ""."""
        return str(self._part("replication").get("source") or "").partition(".")[0]

    @property
    def receives(self) -> bool:
        return self.answers and bool(self._part("replication").get("io"))

    @property
    def applies(self) -> bool:
        return self.answers and bool(self._part("replication").get("sql"))

    @property
    def is_intact(self) -> bool:
        """Whether it has all that it ever acknowledged: a server that starts again forgets what it had received and not applied."""
        return bool(self._part("replication").get("intact"))

    @property
    def lag_s(self) -> float | None:
        lag = self._part("replication").get("lag_s")
        return None if lag is None else float(lag)

    @property
    def errno(self) -> int:
        return int(self._part("replication").get("errno") or 0)

    @property
    def replication_error(self) -> str:
        return str(self._part("replication").get("error") or "")

    @property
    def account(self) -> str:
        """The version of the password with which it follows; "" where it does not."""
        return str(self._part("replication").get("account") or "")

    def follows(self, source: str) -> bool:
        return self.receives and self.applies and self.source == source

    @property
    def executed(self) -> Position:
        return self._position("executed")

    @property
    def received(self) -> Position:
        """With what it has received and not applied yet."""
        received = self._position("received")
        return received if received.covers(self.executed) else self.executed

    @property
    def executed_text(self) -> str:
        return str(self._part("gtid").get("executed") or "")

    @property
    def received_text(self) -> str:
        received = self._part("gtid").get("received") or ""
        return str(received) if received and self._position("received").covers(self.executed) else self.executed_text

    def _position(self, which: str) -> Position:
        gtid = self._part("gtid")
        try:
            return parse(str(gtid.get(which) or ""), str(gtid.get("state") or ""))
        except GtidError:
            return Position()

    def _part(self, key: str) -> Mapping[str, Any]:
        part: Mapping[str, Any] = self._of(key, {})
        return part

    def _of(self, key: str, default: Any) -> Any:
        return default if self.state is None else self.state.get(key) or default
