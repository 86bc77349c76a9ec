"""Work that takes long, in a thread of its own: the agent goes on answering and can give it up."""

import threading
from collections.abc import Callable


class Failed(Exception):
    """The work could not be done; one sentence."""


class Job:
    """work: is given the job, tells what it does in `doing`, looks at `is_given_up` where it can and raises Failed or OSError.

    key: what the job is for, so that another wish is seen as another. changed: called when it has ended.
    """

    def __init__(self, key: str, work: Callable[["Job"], None], changed: Callable[[], None]) -> None:
        self.key = key
        self.doing = ""
        self.error = ""
        self._given_up = threading.Event()
        self._changed = changed
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, within_s: float) -> bool:
        """Whether it is over within that time."""
        self._thread.join(within_s)
        return self.is_over

    @property
    def is_given_up(self) -> bool:
        return self._given_up.is_set()

    def give_up(self) -> None:
        self._given_up.set()

    def tell(self, doing: str) -> None:
        self.doing = doing
        self._changed()

    def _run(self, work: Callable[["Job"], None]) -> None:
        try:
            work(self)
        except (Failed, OSError) as error:
            self.error = str(error)
        finally:
            self._changed()
