"""Looks for one packet for a while, and says what the rules of this node did to it. Blocks; call it in a thread."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from socket import if_indextoname, socket
from threading import Event

from pilothouse.linux.netns import run_at
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import WOULD
from pilothouse.network.trace.config import TraceConfig
from pilothouse.network.trace.kernel import FIRST_CHAIN, rule_texts, tracing
from pilothouse.network.trace.messages import Step, steps
from pilothouse.network.trace.sending import send
from pilothouse.network.trace.wanted import Wanted

QUIET_S = 0.3
"""After the packet's last step here, and after its answer; what comes later is another packet of the connection."""
MOST_STEPS = 500
_DATAGRAM_BYTES = 1 << 16


@dataclass(slots=True)
class Report:
    """steps: of the first packet that came by. sent: what came of sending it, None where it was not sent from here."""

    steps: list[Step]
    texts: dict[tuple[str, str, str, int], str]
    sent: tuple[str, str] | None
    links: dict[int, str] = field(default_factory=dict)

    def document(self) -> Object:
        """Without the rules that only let the packet go on, but for those that note what a rehearsal would refuse."""
        shown = [self._shown(step) for step in self.steps if step.flow or step.verdict != "continue" or f"-{WOULD}-" in step.chain]
        sent = None if self.sent is None else {"result": self.sent[0], "message": self.sent[1]}
        return {"steps": shown, "sent": sent}

    def _shown(self, step: Step) -> Object:
        return {
            "family": step.family,
            "table": step.table,
            "chain": step.chain,
            "kind": step.kind,
            "verdict": step.verdict,
            "rule": self.texts.get((step.family, step.table, step.chain, step.handle), "") if step.handle else "",
            "packet": None if step.flow is None else asdict(step.flow),
            "in": self.links.get(step.iif, ""),
            "out": self.links.get(step.oif, ""),
        }


def _links(found: list[Step]) -> dict[int, str]:
    """Names by number."""
    names: dict[int, str] = {}
    for index in {step.iif for step in found} | {step.oif for step in found} - {0}:
        with suppress(OSError):
            names[index] = if_indextoname(index)
    return names


def watch(config: TraceConfig, wanted: Wanted, netns: str | None, ready: Callable[[], None], ends: Event | None = None) -> Report:
    """netns: of the pod that sends; None: the packet comes from elsewhere. ready: called once it would be seen.

    ends: nobody waits any more.

    Raises NftFailure, OSError.
    """
    # The rule goes before the sender's thread is waited for, which may take as long as an answer.
    with ThreadPoolExecutor(1, "trace") as sender, tracing(config, wanted) as told:
        ready()
        sending = None if netns is None else sender.submit(run_at, netns, lambda: send(wanted))
        found = first_packet([*_seen(told, wanted, sending, ends or Event()).values()], config)
        # What the chains say is read while they are as they were.
        sent = None if sending is None or (ends is not None and ends.is_set()) else sending.result()
        return Report(found, rule_texts(found), sent, _links(found))


def _seen(told: socket, wanted: Wanted, sending: "Future[tuple[str, str]] | None", ends: Event) -> dict[int, list[Step]]:
    """Steps by the kernel's number of the packet, in the order in which the packets came."""
    found: dict[int, list[Step]] = {}
    began = last = time.monotonic()
    told.settimeout(0.05)
    while (now := time.monotonic()) < began + wanted.seconds + QUIET_S and not ends.is_set():
        is_over = sending is None or sending.done()
        if is_over and (found or sending is not None) and now - last > QUIET_S:
            break
        try:
            datagram = told.recv(_DATAGRAM_BYTES)
        except TimeoutError:
            continue
        for step in steps(datagram):
            if step.packet in found or _is_wanted(step, wanted):
                mine = found.setdefault(step.packet, [])
                if len(mine) < MOST_STEPS:
                    mine.append(step)
                last = time.monotonic()
        if sending is not None and sending.done():
            last = max(last, now)
    return found


def first_packet(found: Sequence[list[Step]], config: TraceConfig) -> list[Step]:
    """The steps of the first packet, of those that the kernel tells apart in the order in which they came.

    What does not begin in the first chain of all is no other packet: the kernel's number is made of the link by which a packet comes, too,
    and a bridge whose packets pass the firewall (br_netfilter) puts itself in its port's place on the way.
    """
    if not found:
        return []
    steps = list(found[0])
    for more in found[1:]:
        if more[0].table == config.table and more[0].chain.endswith(FIRST_CHAIN):
            break
        steps += more
    return steps[:MOST_STEPS]


def _is_wanted(step: Step, wanted: Wanted) -> bool:
    flow = step.flow
    return flow is not None and (flow.protocol, flow.source_port) == (wanted.protocol, wanted.source_port) and flow.source in wanted.sources
