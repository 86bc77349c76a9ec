"""Takes a further node off its machine, and what the nodes of an instance had in common."""

import os
import signal
import subprocess
import sys

import click

from pilothouse.aio.identity import wait_gone
from pilothouse.cli.further import namespaces, network
from pilothouse.cli.further.place import Place
from pilothouse.cli.settings.home import Home

_TIMEOUT_S, _GONE_S = 120, 5.0


async def remove(home: Home) -> None:
    """Containers, mounts and rules go inside the namespaces, these with the process that keeps them. Files are left to the caller."""
    place = Place.to_remove(home)
    if place is None:
        return
    if home.node.exists():
        _remove_inside(place)
    if (holder := namespaces.held(place)) is not None:
        holder.signal(signal.SIGKILL)
        await wait_gone(holder, _GONE_S)
    network.remove_link(place)


def _remove_inside(place: Place) -> None:
    """In a process of its own. Raises ClickException."""
    holder = namespaces.hold(place)
    command = [*namespaces.entering(holder.pid), sys.executable, "-m", "pilothouse.cli.further.leaving", str(place.home.path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=os.environ)
    except subprocess.TimeoutExpired as error:
        raise click.ClickException(f"node {place.number} is not removed after {_TIMEOUT_S} s: this machine is slow or busy") from error
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise click.ClickException(f"node {place.number} cannot be removed: {last or f'exit status {done.returncode}'}")


def remove_common(parent: Home) -> None:
    """Of an instance whose further nodes have gone."""
    network.remove_bridge(f"phn-{parent.instance}", f"pilothouse-{parent.instance}-nodes")
