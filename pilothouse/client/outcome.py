"""What a reconciler may say by raising, other than that it has failed."""


class Retry(Exception):
    """Expected: what is waited for is not there yet. The key comes again after `after_s`.

    grows: that doubles each time up to the queue's longest delay, for what may never come.
    """

    def __init__(self, after_s: float, why: str, *, grows: bool = False) -> None:
        super().__init__(why)
        self.after_s = after_s
        self.why = why
        self.grows = grows


class Stop(Exception):
    """Will not heal without the user: the key rests until its object changes."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
