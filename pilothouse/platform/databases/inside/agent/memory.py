"""What the agent must not forget, on the volume: the last decision that it obeyed, the term in which its data were the primary's,
and which request for other data it has carried out.
"""

from contextlib import suppress
from pathlib import Path

from pilothouse.platform.databases.inside.agent import files
from pilothouse.platform.databases.inside.agent.slots import Record, Slots

_OLD = ("term", "led", "reseeded")
"""Files of earlier programs, each with one of them."""


class Outdated(Exception):
    """An order of a decision that another one has followed. term: the one obeyed before."""

    def __init__(self, term: int) -> None:
        super().__init__(f"the order is older than one of term {term}")
        self.term = term


class Memory:
    """term, step: of the last decision that was obeyed; no order of an earlier one is.

    led: the term in which these data were the primary's last, 0 when they were not since they last began to follow somebody.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._slots = Slots(folder / "memory")
        self._record = self._slots.record or _old(folder)
        self._least = (0, 0)
        if not self._slots.is_made:
            self._begin(folder)

    @property
    def term(self) -> int:
        return int(self._record["term"])

    @property
    def step(self) -> int:
        return int(self._record["step"])

    @property
    def led(self) -> int:
        return int(self._record["led"])

    @property
    def reseeded(self) -> str:
        return str(self._record["reseeded"])

    def obey(self, term: int, step: int) -> None:
        """Returns when that would outlive a power cut. Raises Outdated, OSError; no earlier order is obeyed after that, either.

        step: counts the decisions. An order may come late, and another agent may be there by then: it is remembered like the term.
        """
        if (term, step) < max(self._least, (self.term, self.step)):
            raise Outdated(max(self._least[0], self.term))
        self._least = (term, step)
        if (term, step) != (self.term, self.step):
            self._keep(term=term, step=step)

    def leads(self, term: int) -> None:
        """Before the server may write. Raises OSError."""
        if term != self.led:
            self._keep(led=term)

    def follows(self) -> None:
        """Before the server receives anything, or when its data are gone. Raises OSError."""
        if self.led:
            self._keep(led=0)

    def has_reseeded(self, request: str) -> None:
        self._keep(reseeded=request)

    def _keep(self, **changes: int | str) -> None:
        record = self._record | changes
        self._slots.write(record)
        self._record = record

    def _begin(self, folder: Path) -> None:
        """While there is room: what is kept can be changed later whether there is or not. On a volume without any the ballast goes."""
        try:
            self._keep()
        except OSError:
            (folder / "ballast").unlink(missing_ok=True)
            with suppress(OSError):
                self._keep()
        if self._slots.is_made:
            for name in _OLD:
                (folder / name).unlink(missing_ok=True)


def _old(folder: Path) -> Record:
    term, led, reseeded = (files.read(folder / name).strip() for name in _OLD)
    return {"term": int(term or 0), "step": 0, "led": int(led or 0), "reseeded": reseeded}
