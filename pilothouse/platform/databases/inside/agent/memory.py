"""What the agent must not forget, on the volume: the highest term that it obeyed, and which request for other data it has carried out."""

from pathlib import Path

from pilothouse.platform.databases.inside.agent import files


class Outdated(Exception):
    """An order of a decision that another one has followed. term: the one obeyed before."""

    def __init__(self, term: int) -> None:
        super().__init__(f"the order is older than one of term {term}")
        self.term = term


class Memory:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.term = int(files.read(folder / "term").strip() or 0)
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

    def has_reseeded(self, request: str) -> None:
        files.write_durably(self._folder / "reseeded", f"{request}\n")
        self.reseeded = request
