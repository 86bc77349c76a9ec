"""One sentence about an object: how it stands, the chain of causes, and the way out."""

from dataclasses import dataclass

from pilothouse.cli.why.finding import Finding, State


@dataclass(frozen=True, slots=True)
class Why:
    """sentence: all of it. chain: the causes alone, the first one first; empty when all is well. next_step: the way out.

    standing: the subject and how it stands, without the reasons. state: in one word. is_known: False when there is no such
    object and nothing was ever said about one. process: which of an app the causes are of, "" for `web`. certain_after_s: see `Finding`.
    """

    sentence: str
    chain: tuple[str, ...] = ()
    next_step: str = ""
    is_known: bool = True
    state: str = State.NOT_READY
    standing: str = ""
    certain_after_s: float | None = None
    process: str = ""


def told(standing: str, finding: Finding) -> Why:
    causes = ", so ".join(finding.chain)
    return Why(
        f"{standing}: {causes}; {finding.next_step}",
        finding.chain,
        finding.next_step,
        state=finding.state,
        standing=standing,
        certain_after_s=finding.certain_after_s,
    )
