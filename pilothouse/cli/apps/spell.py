"""For how long something has been so without a break."""


class Spell:
    def __init__(self) -> None:
        self._since: float | None = None

    def lasts_s(self, is_so: bool, now_s: float) -> float:
        """Asked at each look. now_s: of a clock that never goes back."""
        if not is_so:
            self._since = None
            return 0.0
        self._since = now_s if self._since is None else self._since
        return now_s - self._since
