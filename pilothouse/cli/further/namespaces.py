"""The namespaces of a further node (network, mounts, host name): kept by a process that does nothing, found again by it.

They outlive the node's process, as containerd and the containers do, which live in them; a node that is started again enters them again.
"""

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pilothouse.aio.identity import Identity
from pilothouse.cli.further.place import Place
from pilothouse.cli.settings.home import Settings

KEEPER = ("catatonit", "-P")
_WAIT_S, _POLL_S = 5.0, 0.005
_TIMEOUT_S = 30


class NamespaceFailure(Exception):
    """The machine refuses namespaces, or what is made in them; the text says what."""


def held(place: Place) -> Identity | None:
    """The process that keeps the namespaces, if there is one."""
    found = Identity.load(place.holder)
    return found if found is not None and found.alive() else None


def hold(place: Place) -> Identity:
    """The process that keeps the namespaces; made when there is none. Where one was killed, those of containerd are kept on."""
    if (found := held(place)) is not None:
        return found
    containerd = Identity.load(place.home.node / "containerd" / "containerd.pid")
    is_new = containerd is None or not containerd.alive()
    if containerd is not None and not is_new:
        command = [*entering(containerd.pid), *KEEPER]
    else:
        # What is mounted on the machine later is to be seen inside, and not the other way round.
        command = ["unshare", "--net", "--uts", "--mount", "--propagation", "slave", "--", *KEEPER]
    place.holder.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/"
    )
    _wait_inside(process)
    identity = Identity.of(process.pid)
    if is_new:
        # Pods with their host's network are called as their host is.
        run(["hostname", Settings.salvaged(place.home).node_name], inside=identity)
        _let_go(place, identity)
    identity.save(place.holder)
    return identity


def _let_go(place: Place, inside: Identity) -> None:
    """Of the volumes of the machine's first node: a copy of their mounts keeps them in use, so that they could not be removed, nor grow."""
    from pilothouse.cli.daemon import wiring
    from pilothouse.engine.node.files.mountpoints import device_of, mounts_below, mounts_of

    volumes = wiring.node_config(place.parent, Settings.salvaged(place.parent)).volumes_dir
    copies = [point for mounted in mounts_below(volumes) for point in mounts_of(device_of(Path(mounted)))]
    for point in dict.fromkeys(copies):
        # One that has gone on the machine meanwhile may have gone inside, too.
        with suppress(NamespaceFailure):
            run(["umount", "--lazy", point], inside=inside)


def _wait_inside(process: "subprocess.Popen[bytes]") -> None:
    """Until it has become the keeper: before that it may still be in our namespaces."""
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end and process.poll() is None:
        if Path(f"/proc/{process.pid}/comm").read_text().strip() == KEEPER[0]:
            return
        time.sleep(_POLL_S)
    raise NamespaceFailure("the machine does not make network and mount namespaces (unshare), which further nodes need")


def entering(pid: int) -> list[str]:
    """The beginning of a command that is to run in the namespaces of a process."""
    return ["nsenter", "-t", str(pid), "-n", "-u", "-m", "--"]


def run(command: Sequence[str], text: str = "", *, inside: Identity | None = None) -> str:
    """Its output. inside: run it in the namespaces that this process keeps. Raises NamespaceFailure."""
    words = [*entering(inside.pid), *command] if inside is not None else list(command)
    try:
        done = subprocess.run(words, input=text, text=True, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NamespaceFailure(f"{command[0]} has not answered within {_TIMEOUT_S} s: this machine is slow or busy") from error
    except OSError as error:
        raise NamespaceFailure(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise NamespaceFailure(f"{' '.join(command)}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
