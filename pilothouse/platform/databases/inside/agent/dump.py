"""All databases of the server as SQL, of one moment, in one compressed stream."""

from collections.abc import Generator

from pilothouse.platform.databases.inside.agent import dialects
from pilothouse.platform.databases.inside.agent.seed.compressed import compressed
from pilothouse.platform.databases.inside.agent.settings import Settings


def stream(settings: Settings) -> Generator[bytes]:
    """Raises Failed, at the end too."""
    return compressed(dialects.of(settings.flavour).copies.dump(settings))
