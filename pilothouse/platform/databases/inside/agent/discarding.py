"""Gives up the member's data, in the background: it takes as long as there is data, and the agent goes on looking meanwhile."""

from pilothouse.platform.databases.inside.agent import errant
from pilothouse.platform.databases.inside.agent.job import Job
from pilothouse.platform.databases.inside.agent.memory import Memory
from pilothouse.platform.databases.inside.agent.seed import folder
from pilothouse.platform.databases.inside.agent.settings import Settings


class Discarding:
    """For the loop's thread. The server must not be started while `is_busy`."""

    def __init__(self, settings: Settings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._job: Job | None = None

    @property
    def is_busy(self) -> bool:
        return self._job is not None and not self._job.is_over

    def see_to(self, request: str) -> None:
        """Begins it, or tells what became of it. request: its id, kept when it is done. Raises OSError; the next call begins it anew."""
        if self.is_busy:
            return
        job, self._job = self._job, None
        if job is not None and job.key == request and job.error:
            raise OSError(job.error)
        self._job = Job(request, self._work, lambda: None)

    def give_up(self) -> None:
        """It is no longer wanted: data that are still there stay."""
        if self._job is not None:
            self._job.give_up()

    def _work(self, job: Job) -> None:
        errant.keep(self._settings, job.key)
        if job.is_given_up:
            return
        folder.discard(self._settings)
        self._memory.follows()
        self._memory.has_reseeded(job.key)
