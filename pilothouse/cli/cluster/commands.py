"""Commands about the instance on this machine: up, down, destroy."""

import json
import os
import shutil
from contextlib import ExitStack
from typing import Any

import click

from pilothouse.cli import asking, output
from pilothouse.cli.cluster import choice, health, service
from pilothouse.cli.cluster.first_start import first_start
from pilothouse.cli.cluster.turn import turn
from pilothouse.cli.cluster.waiting import NotUp, wait_ready
from pilothouse.cli.containerd.fetch import codename
from pilothouse.cli.containerd.place import kept
from pilothouse.cli.containerd.provide import provide
from pilothouse.cli.daemon.roles import ROLES
from pilothouse.cli.daemon.state import State, running_pid
from pilothouse.cli.session import Session, pass_session, run
from pilothouse.cli.settings.home import Home, Settings

PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "socat": "socat",
    "catatonit": "catatonit",
    "docker-registry": "docker-registry",
    "mmdebstrap": "mmdebstrap",
}


def _need_root(command: str) -> None:
    if os.geteuid() != 0:
        raise click.ClickException(f"`ph {command}` needs root, for namespaces, mounts and nftables: run it with sudo")


@click.command()
@click.option("--port", "api_port", type=click.IntRange(1, 65535), help="Port of the Kubernetes API (default 6443, or the next free one).")
@click.option("--http-port", type=click.IntRange(1, 65535), help="Port of the gateway (default 80, or the next free one).")
@click.option("--https-port", type=click.IntRange(1, 65535), help="Port of the gateway for TLS (default 443, or the next free one).")
@click.option("--listen", metavar="ADDRESS", help="Where the gateway can be reached (default 127.0.0.1; 0.0.0.0: from other machines too).")
@click.option("--domain", help="Apps are reached as NAME.DOMAIN (default localhost).")
@click.option("--registry-port", type=click.IntRange(1, 65535), help="Port of the image registry (default 5000, or the next free one).")
@click.option("--pod-cidr", metavar="CIDR", help="Network of the pods (default 10.244.0.0/16, or the next free one).")
@click.option("--service-cidr", metavar="CIDR", help="Network of the services (default 10.96.0.0/16, or the next free one).")
@click.option("--node-name", metavar="NAME", help="Name of the node (default: the host's name).")
@click.option("--no-platform", is_flag=True, help="The Kubernetes cluster alone, without builds, registry and gateway.")
@click.option("--if-needed", is_flag=True, help="When it runs already, succeed once it works; say what does not.")
@pass_session
def up(session: Session, /, no_platform: bool, if_needed: bool, **options: Any) -> None:
    """Start the cluster on this machine; it goes on in the background.

    \b
    Examples:
      ph up
      ph up --http-port 8080
      ph up --listen 0.0.0.0 --domain apps.example.com
      ph --home /var/lib/second up
      ph --home /var/lib/third up --port 7443 --pod-cidr 10.245.0.0/16 --service-cidr 10.97.0.0/16
    """
    _need_root("up")
    home = session.home
    asked = options | {"platform": False if no_platform else None}
    with ExitStack() as held:
        with turn(home):
            running = [role for role in ROLES if service.is_running(home, role)]
            if running != list(ROLES):
                _require_programs()
                provide(kept(), codename())
            settings, is_first = (None, False) if running else _start(home, asked, held)
            if len(running) == 1:
                output.note(f"the {running[0].title} runs already: starting the rest")
                service.start(home)
        if settings is not None:
            _wait(home, is_first=is_first)
    if settings is not None:
        _greet(session, settings)
    elif running == list(ROLES):
        _already_running(session, if_needed=if_needed)
    else:
        wait_ready(home)
        _require_health(session)


def _already_running(session: Session, *, if_needed: bool) -> None:
    """Raises ClickException unless it was only to be started if needed, and works."""
    home = session.home
    if not if_needed:
        pids = ", ".join(str(running_pid(role.pid(home))) for role in ROLES)
        raise click.ClickException(
            f"Pilothouse runs already (pids {pids}, home {home.path}): `{session.command('status')}` shows it, "
            f"`{session.command('down')}` stops it"
        )
    if any((state := State.load(home, role)) is None or state.phase != "ready" for role in ROLES):
        wait_ready(home)
    _require_health(session)


def _require_health(session: Session) -> None:
    """Raises ClickException when the instance does not work; components that are tried again are only named."""
    home = session.home
    problems = run(health.problems(session))
    if problems and problems != health.failing(home):
        raise click.ClickException(
            f"Pilothouse runs, but does not work: {'; '.join(problems)}: `{session.command('down')}` ends it in any state, "
            f"`{session.command('up')}` starts it again"
        )
    for problem in problems:
        output.note(f"{problem}; it is tried again")


def _require_programs() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise click.ClickException(f"these packages are missing: {' '.join(missing)}: run scripts/setup, or install them with apt-get")


def _start(home: Home, asked: dict[str, Any], held: ExitStack) -> tuple[Settings, bool]:
    """Returns what it starts with, and whether it is the instance's first start. held: keeps a first start's turn on the machine."""
    if home.unproven.exists():
        _undo(home)
    stored = Settings.load(home)
    if stored is None:
        held.enter_context(first_start())
    settings = choice.first_settings(home, asked) if stored is None else choice.next_settings(home, stored, asked)
    if stored is None:
        _note_first(home)
    settings.save(home)
    service.start(home)
    return settings, stored is None


def _wait(home: Home, *, is_first: bool) -> None:
    """A first start that does not succeed leaves nothing but its logs, so that the next one may be asked for something else."""
    try:
        wait_ready(home)
    except NotUp as error:
        if not is_first:
            raise
        with turn(home):
            _undo(home)
        raise click.ClickException(
            f"{error.message.rstrip('.')}. Nothing of this first start is kept but its logs in {home.log}"
        ) from error


def _note_first(home: Home) -> None:
    """Until the node has come up; with what lay in the home before, a store from a backup perhaps, which is not ours to remove."""
    home.path.mkdir(parents=True, exist_ok=True)
    before = [path.name for path in home.path.iterdir()]
    home.unproven.write_text(json.dumps(before))


def _undo(home: Home) -> None:
    """Take a first start that did not succeed off the machine again."""
    from pilothouse.cli.cluster.removal import remove

    try:
        before = [home.path / str(name) for name in json.loads(home.unproven.read_text())]
    except (OSError, ValueError):
        before = list(home.path.iterdir())
    service.stop(home)
    run(remove(home, keep=[home.log, *before]))
    service.forget(home)


def _greet(session: Session, settings: Settings) -> None:
    click.echo(f"The cluster is ready at https://{settings.api_host}:{settings.api_port}")
    click.echo(f"  export KUBECONFIG={session.home.kubeconfig}    or: {session.command('kubectl get nodes')}")
    if settings.platform:
        click.echo(f"  {session.command('deploy PATH'):<40} builds and runs an app, reachable on port {settings.http_port}")


@click.command()
@pass_session
def down(session: Session) -> None:
    """Stop the cluster and keep everything; running containers go on and are taken over by the next `ph up`.

    Works whatever state the cluster is in: what does not end by itself within seconds is killed, and nothing is lost by that.

    \b
    Example:
      ph down
    """
    _need_root("down")
    was_running = False
    if session.home.path.exists():
        with turn(session.home):
            was_running = stop(session.home)
    if not was_running:
        output.note(f"Pilothouse is not running at {session.home.path}")
        return
    click.echo(f"stopped; `{session.command('up')}` brings it back as it was")


def stop(home: Home) -> bool:
    """End the processes, and the gateway that a killed one leaves behind; False when none ran."""
    from pilothouse.cli.cluster.removal import stop_gateway

    was_running = service.any_running(home)
    for role in service.stop(home):
        output.note(f"the {role.title} did not end by itself and was killed")
    if home.gateway.exists():
        run(stop_gateway(home))
    return was_running


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def destroy(session: Session, yes: bool) -> None:
    """Remove the instance and everything that it put on this machine.

    \b
    Example:
      ph destroy --yes
    """
    _need_root("destroy")
    home = session.home
    if not home.path.exists():
        output.note(f"there is nothing at {home.path}")
        return
    if not any(part.exists() for part in (home.settings, home.node, home.daemon_log)) and any(home.path.iterdir()):
        raise click.ClickException(f"{home.path} holds no instance of Pilothouse: nothing is removed")
    asking.confirm(f"Remove the cluster at {home.path} with all its apps, images and data?", yes=yes)
    from pilothouse.cli.cluster.removal import remove

    with turn(home):
        with output.Progress().step("stopping the cluster"):
            stop(home)
        run(remove(home))
        service.forget(home)
    click.echo("removed")
