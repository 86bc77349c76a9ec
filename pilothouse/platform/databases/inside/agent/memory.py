"""What the agent must not forget, on the volume: the highest term that it obeyed, that in which its data were the primary's,
and which request for other data it has carried out.
"""

from pathlib import Path

from pilothouse.platform.databases.inside.agent import files


class Outdated(Exception):
    """An order of a decision that another one has followed. term: the one obeyed before."""

    def __init__(self, term: int) -> None:
        super().__init__(f"the order is older than one of term {term}")
        self.term = term


class Memory:
    """led: the term in which these data were the primary's last, 0 when they were not since they last began to follow somebody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.term = int(files.read(folder / "term").strip() or 0)
        self.led = int(files.read(folder / "led").strip() or 0)
        self.reseeded = files.read(folder / "reseeded").strip()
        self._step = 0

    def obey(self, term: int, step: int) -> None:
        """Returns when the term would outlive a power cut. Raises Outdated, OSError.

        step: counts the decisions. It is remembered as long as the agent lives, and begins anew with a term.
        """
        if (term, step) < (self.term, self._step):
            raise Outdated(self.term)
        if term > self.term:
            files.write_durably(self._folder / "term", f"{term}\n")
            self.term = term
        self._step = step

    def leads(self, term: int) -> None:
        """Before the server may write. Raises OSError."""
        if term != self.led:
            files.write_durably(self._folder / "led", f"{term}\n")
            self.led = term

    def follows(self) -> None:
        """Before the server receives anything, or when its data are gone. Raises OSError."""
        if self.led:
            (self._folder / "led").unlink(missing_ok=True)
            files.sync_folder(self._folder)
            self.led = 0

    def has_reseeded(self, request: str) -> None:
        files.write_durably(self._folder / "reseeded", f"{request}\n")
        self.reseeded = request
