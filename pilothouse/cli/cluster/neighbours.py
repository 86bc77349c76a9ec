"""Other instances on this machine, known by their processes: containerd outlives an instance that is down, and so its networks do."""

from itertools import pairwise
from pathlib import Path

from pilothouse.aio.identity import commands
from pilothouse.cli.settings.home import Home, Settings, SettingsError

DAEMON = "pilothouse.cli.daemon."
CONTAINERD = "/node/containerd/config.toml"


def neighbours(own: Home) -> list[tuple[Home, Settings]]:
    """Every other instance of which something runs, with its settings, by the path of its home."""
    homes = {home for _, command in commands() if (home := home_of(command)) is not None and home != own.path}
    found = []
    for path in sorted(homes):
        try:
            settings = Settings.load(Home(path))
        except SettingsError:
            continue
        if settings is not None:
            found.append((Home(path), settings))
    return found


def home_of(command: list[str]) -> Path | None:
    """The home that a process of an instance names in its command line."""
    for word, following in pairwise(command):
        if word.startswith(DAEMON):
            return Path(following)
        if word == "--config" and following.endswith(CONTAINERD):
            return Path(following.removesuffix(CONTAINERD))
    return None
