"""Which work makes the data that are wanted."""

from collections.abc import Callable

from pilothouse.platform.databases.inside.agent import dialects
from pilothouse.platform.databases.inside.agent.job import Job
from pilothouse.platform.databases.inside.agent.seed import clone, folder
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.wanted import Seed


def work(settings: Settings, seed: Seed) -> Callable[[Job], None]:
    """Not for `pushed`: those data come by themselves."""
    source = seed.source
    if source is not None:
        return lambda job: clone.clone(settings, source, job)
    return lambda job: _empty(settings, job)


def _empty(settings: Settings, job: Job) -> None:
    """Raises Failed, OSError."""
    job.tell("making an empty data folder")
    dialects.of(settings.flavour).copies.make_empty(settings, folder.begin(settings))
    folder.finish(settings)
