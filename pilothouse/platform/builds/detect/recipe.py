"""What a language's module says of a tree, before the Procfile and app.json are laid over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Recipe:
    """build: the Dockerfile's lines without its ending. web: the command line that serves, "" when none was found.

    why: what was found, a line each; web_why: how `web` was found, said only where it is used.
    port: what `web` listens on by itself; None when it listens on PORT. processes: more command lines by name.
    missing: why no web command was found and what would help, used when no Procfile names one.
    user: that the processes run as, "" for the base image's own. variables: of the image.
    """

    language: str
    build: tuple[str, ...]
    web: str
    why: tuple[str, ...]
    web_why: str = ""
    port: int | None = None
    processes: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""
    user: str = "10001"
    variables: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


SERVER_PORT = 80
"""Of nginx and Apache unless the user sets another one: their base images expose it already, and what is exposed cannot be taken back."""
APP_USER = "RUN useradd --uid 10001 --create-home --home-dir /home/app app && mkdir -p /app && chown app:app /app"
"""A user whose home and working directory are writable."""
OWNED_BY_THE_APP = "find /app ! -user app -exec chown --no-dereference app:app {} +"
"""Behind a step that writes into the source's folder as root."""
COPY_SOURCE = "COPY --chown=10001:10001 . ./"


def apt_install(*packages: str) -> str:
    return f"RUN apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)} && rm -rf /var/lib/apt/lists/*"
