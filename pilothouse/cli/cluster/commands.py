"""Commands about the instance on this machine: up, down, destroy."""

import asyncio
import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from pilothouse.cli import asking, output
from pilothouse.cli.cluster import choice, draining, health, scheduler_profiles, service
from pilothouse.cli.cluster.first_start import first_start
from pilothouse.cli.cluster.membership import is_known
from pilothouse.cli.cluster.turn import turn
from pilothouse.cli.cluster.waiting import NotUp, wait_ready
from pilothouse.cli.containerd.fetch import codename
from pilothouse.cli.containerd.place import kept
from pilothouse.cli.containerd.provide import provide
from pilothouse.cli.daemon.roles import NODE, ROLES, roles_of
from pilothouse.cli.daemon.state import State, running_pid
from pilothouse.cli.durations import Duration
from pilothouse.cli.further import wanted
from pilothouse.cli.further.place import MOST
from pilothouse.cli.session import Session, pass_session, run
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.model.admission_plugins import ON_REQUEST
from pilothouse.model.node_objects import MOST_SIMULATED

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


def need_root(command: str) -> None:
    if os.geteuid() != 0:
        raise click.ClickException(f"`ph {command}` needs root, for namespaces, mounts and nftables: run it with sudo")


@click.command()
@click.option("--port", "api_port", type=click.IntRange(1, 65535), help="Port of the Kubernetes API (default 6443, or the next free one).")
@click.option("--http-port", type=click.IntRange(1, 65535), help="Port of the gateway (default 80, or the next free one).")
@click.option("--https-port", type=click.IntRange(1, 65535), help="Port of the gateway for TLS (default 443, or the next free one).")
@click.option("--listen", metavar="ADDRESS", help="Where the gateway can be reached (default 127.0.0.1; 0.0.0.0: from other machines too).")
@click.option("--domain", help="Apps are reached as NAME.DOMAIN (default localhost).")
@click.option("--registry-port", type=click.IntRange(1, 65535), help="Port of the image registry (default 5000, or the next free one).")
@click.option("--kubelet-port", type=click.IntRange(1, 65535), help="Port of the node's kubelet API (default 10250, or the next free one).")
@click.option(
    "--pod-cidr",
    metavar="CIDR[,CIDR]",
    help="Network of the pods, or one of each IP family, the primary one first (default 10.244.0.0/16, or the next free one).",
)
@click.option(
    "--service-cidr",
    metavar="CIDR[,CIDR]",
    help="Network of the services, likewise, of the same families (default 10.96.0.0/16, or the next free one).",
)
@click.option(
    "--allow-sysctls",
    metavar="NAMES",
    callback=lambda context, parameter, value: None if value is None else tuple(filter(None, value.replace(" ", "").split(","))),
    help="Kernel parameters that pods may set beside the safe ones, such as kernel.msgmax,net.core.* ('' for none).",
)
@click.option(
    "--enable-admission-plugins",
    metavar="NAMES",
    callback=lambda context, parameter, value: None if value is None else tuple(filter(None, value.replace(" ", "").split(","))),
    help=f"Admission plug-ins that are not there by default: {', '.join(ON_REQUEST)} ('' for none).",
)
@click.option(
    "--nodeport-addresses",
    metavar="CIDRS",
    callback=lambda context, parameter, value: None if value is None else tuple(filter(None, value.replace(" ", "").split(","))),
    help="Networks in which addresses of this machine answer on node ports ('' for the default: loopback, and those of the node).",
)
@click.option("--api-listen", metavar="ADDRESS", help="A further address of the Kubernetes API, for nodes of other machines (`ph join`).")
@click.option(
    "--scheduler-config",
    metavar="FILE",
    callback=lambda context, parameter, value: str(Path(value).absolute()) if value else value,
    help="Profiles of the scheduler (a KubeSchedulerConfiguration), read by each `ph up` ('' for the default one).",
)
@click.option(
    "--simulate-nodes",
    type=click.IntRange(0, MOST_SIMULATED),
    metavar="N",
    help="So many nodes that are no machines, on which pods run nothing, for rehearsals (default: as many as there are, none at first).",
)
@click.option("--nodes", type=click.IntRange(1, MOST), help="How many nodes there are to be on this machine, the first included.")
@click.option("--node-name", metavar="NAME", help="Name of the node (default: the host's name).")
@click.option(
    "--platform/--no-platform",
    default=None,
    help="With builds, registry and gateway, or the Kubernetes cluster alone (default: as it is, with them at first).",
)
@click.option("--if-needed", is_flag=True, help="When it runs already, succeed once it works; say what does not.")
@pass_session
def up(session: Session, /, if_needed: bool, nodes: int | None, **asked: Any) -> None:
    """Start the cluster on this machine; it goes on in the background.

    \b
    Examples:
      ph up
      ph up --http-port 8080
      ph up --listen 0.0.0.0 --domain apps.example.com
      ph up --nodes 3
      ph up --api-listen 10.0.0.1
      ph --home /var/lib/second up
      ph --home /var/lib/third up --port 7443 --pod-cidr 10.245.0.0/16 --service-cidr 10.97.0.0/16
      ph up --pod-cidr 10.244.0.0/16,fd00:10:244::/56 --service-cidr 10.96.0.0/16,fd00:10:96::/112
    """
    need_root("up")
    home = session.home
    with ExitStack() as held:
        with turn(home):
            running = [role for role in roles_of(home) if service.is_running(home, role)]
            if running != list(roles_of(home)):
                require_programs()
                provide(kept(), codename())
            settings, is_first = (None, False) if running else _start(session, asked, held, nodes)
            if running and running != list(roles_of(home)):
                output.note(f"the {running[0].title} runs already: starting the rest")
                service.start(home)
        if settings is not None and settings.server:
            wait_joined(session, is_first=is_first)
        elif settings is not None:
            wait(home, is_first=is_first)
    if settings is not None:
        _start_further(session, settings, nodes or 1)
        _greet(session, settings)
    elif running == list(roles_of(home)):
        _already_running(session, asked, nodes, if_needed=if_needed)
    else:
        wait_ready(home)
        _require_health(session)


def _start_further(session: Session, settings: Settings, count: int) -> None:
    """The further nodes of this machine, if there are any or are to be. Raises NotUp."""
    if not session.home.further() and count == 1:
        return
    from pilothouse.cli.further.starting import start

    with turn(session.home):
        start(session, settings, count)


def _already_running(session: Session, asked: dict[str, Any], nodes: int | None, *, if_needed: bool) -> None:
    """Raises ClickException unless it was only to be started if needed, or to have more nodes, and works."""
    home = session.home
    if nodes is None and not if_needed:
        pids = ", ".join(str(pid) for role in roles_of(home) if (pid := running_pid(role.pid(home))) is not None)
        # Between two processes there is none: the one that ended is about to be started again.
        how = f"runs already (pids {pids}, home {home.path})" if pids else f"is being started already (home {home.path})"
        raise click.ClickException(f"Pilothouse {how}: `{session.command('status')}` shows it, `{session.command('down')}` stops it")
    settings = Settings.load(home)
    if settings is not None:
        _refuse_changes(session, settings, asked, nodes)
    if any((state := State.load(home, role)) is None or state.phase != "ready" for role in roles_of(home)):
        wait_ready(home)
    _require_health(session)
    if settings is not None and not settings.server:
        _start_further(session, settings, nodes or 1)
    if nodes is not None:
        click.echo(f"{nodes} node{'s are' if nodes > 1 else ' is'} ready: `{session.command('kubectl get nodes')}` shows them")


def _refuse_changes(session: Session, settings: Settings, asked: dict[str, Any], nodes: int | None) -> None:
    """What an instance is started with is read at its start alone. Raises ClickException when something else is asked of one that runs."""
    down = session.command("down")
    for name, value in asked.items():
        if value is not None and value != getattr(settings, name):
            option = "--no-platform" if value is False else choice.option(name)
            raise click.ClickException(
                f"Pilothouse runs already, and {option} is for its start: `{down}` comes before, and ends no container"
            )
    if nodes is None:
        return
    wanted.check(session, settings, nodes)
    if nodes > 1 and not settings.nodes_cidr:
        raise click.ClickException(
            f"this instance was started without a network between nodes: `{down}`, and then `{session.command(f'up --nodes {nodes}')}`"
        )


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


def require_programs() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise click.ClickException(f"these packages are missing: {' '.join(missing)}: run scripts/setup, or install them with apt-get")


def _start(session: Session, asked: dict[str, Any], held: ExitStack, nodes: int | None) -> tuple[Settings, bool]:
    """Returns what it starts with, and whether it is the instance's first start. held: keeps a first start's turn on the machine."""
    home = session.home
    # A node that has not been let in yet goes on asking: undone, the home would be started as a cluster of its own.
    is_joining = home.unproven.exists() and bool(Settings.salvaged(home).server)
    if not is_joining:
        undo_unfinished(home)
    stored = Settings.load(home)
    if stored is None:
        held.enter_context(first_start())
    settings = choice.first_settings(home, asked) if stored is None else choice.next_settings(home, stored, asked)
    if nodes is not None:
        wanted.check(session, settings, nodes)
    if nodes is not None and nodes > 1:
        settings = choice.with_nodes_network(home, settings)
    if stored is None:
        note_first(home)
    scheduler_profiles.keep(home, settings)
    settings.save(home)
    service.start(home)
    return settings, stored is None or is_joining


def wait(home: Home, *, is_first: bool) -> None:
    """A first start that does not succeed leaves nothing but its logs, so that the next one may be asked for something else.

    A node that its cluster knows is left as it is, and goes on trying. Raises ClickException, NotUp.
    """
    try:
        wait_ready(home)
    except NotUp as error:
        if not is_first or is_known(home):
            raise
        raise click.ClickException(f"{error.message.rstrip('.')}. {_undone(home)}") from error


def _undone(home: Home) -> str:
    """Takes a first start off the machine again; says how far that went. Raises ClickException when it cannot be stopped."""
    from pilothouse.cli.cluster.removal import NotRemoved

    try:
        with turn(home):
            _undo(home)
    except NotRemoved as left:
        return f"Taking this first start off the machine again failed, too: {'; '.join(left.failures)}. `ph destroy` removes what is left"
    return f"Nothing of this first start is kept but its logs in {home.log}"


def wait_joined(session: Session, *, is_first: bool) -> None:
    """For a node of a cluster that is elsewhere. Raises ClickException."""
    try:
        wait(session.home, is_first=is_first)
    except NotUp as error:
        raise click.ClickException(
            f"{error.message.rstrip('.')}. The node goes on trying: `{session.command('status')}` shows it, "
            f"`{session.command('destroy')}` gives it up"
        ) from error


def note_first(home: Home) -> None:
    """Until the node has come up; with what lay in the home before, a store from a backup perhaps, which is not ours to remove."""
    home.path.mkdir(parents=True, exist_ok=True)
    before = [path.name for path in home.path.iterdir()]
    home.unproven.write_text(json.dumps(before))


def undo_unfinished(home: Home) -> None:
    """Of a first start that was broken off: a `ph up` or a `ph join` may begin anew. A node that its cluster knows is no beginning."""
    if home.unproven.exists() and not is_known(home):
        _undo(home)


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
    if settings.server:
        click.echo(f"Node {settings.node_name} of the cluster at {settings.server} is ready")
        return
    click.echo(f"The cluster is ready at https://{settings.api_host}:{settings.api_port}")
    click.echo(f"  export KUBECONFIG={session.home.kubeconfig}    or: {session.command('kubectl get nodes')}")
    if settings.platform:
        click.echo(f"  {session.command('deploy PATH'):<40} builds and runs an app, reachable on port {settings.http_port}")


@click.command()
@click.option(
    "--drain", is_flag=True, help="End all pods before; the next `ph up` runs what Deployments, Jobs and static pods ask for anew."
)
@click.option(
    "--grace", type=Duration(), default="60s", show_default=True, help="With --drain: how long all pods together may take to end."
)
@pass_session
def down(session: Session, drain: bool, grace: float) -> None:
    """Stop the cluster and keep everything; running containers go on and are taken over by the next `ph up`.

    Works whatever state the cluster is in: what does not end by itself within seconds is killed, and nothing is lost by that.
    With --drain the containers end as well, those of lower priority first, each within its grace.

    \b
    Examples:
      ph down
      ph down --drain --grace 2m      # before the machine is taken away
    """
    need_root("down")
    was_running = False
    is_proven = not session.home.unproven.exists()
    if drain:
        _drain(session, int(grace))
    if session.home.path.exists():
        with turn(session.home):
            was_running = stop(session.home)
    if not was_running:
        output.note(f"Pilothouse is not running at {session.home.path}")
        return
    up = session.command("up")
    if is_proven or roles_of(session.home) != ROLES:
        click.echo(f"stopped; `{up}` brings it back as it was")
    else:
        click.echo(f"stopped before it had come up for the first time; `{up}` begins anew, with the options that it is given")


def _drain(session: Session, grace_s: int) -> None:
    """Every node of the instance on this machine that runs. Raises ClickException when one cannot be asked; none has been stopped then."""
    homes = [each for each in (session.home, *session.home.further()) if service.is_running(each, NODE)]
    if not homes:
        return
    output.note(f"ending all pods, within {grace_s} s")
    try:
        left = run(draining.drain_all(homes, grace_s))
    except (asyncio.CancelledError, KeyboardInterrupt):
        output.note("nothing is stopped: the nodes take pods again in a moment, and pods that were told to end do end")
        raise
    except draining.NotDrained as error:
        raise click.ClickException(f"{error}: `{session.command('down')}` stops the cluster without ending the pods") from error
    for name in left:
        output.note(f"pod {name} has not ended in time and goes on")


def stop(home: Home) -> bool:
    """End the processes, and the gateway that a killed one leaves behind; False when none ran."""
    from pilothouse.cli.cluster.removal import stop_gateway

    homes = [*home.further(), home]
    was_running = any(service.any_running(each) for each in homes)
    for each in homes:
        for role in service.stop(each):
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
    need_root("destroy")
    home = session.home
    if not home.path.exists():
        output.note(f"there is nothing at {home.path}")
        return
    if not any(part.exists() for part in (home.settings, home.node, home.daemon_log)) and any(home.path.iterdir()):
        raise click.ClickException(f"{home.path} holds no instance of Pilothouse: nothing is removed")
    from pilothouse.cli.cluster.removal import remove, to_remove

    settings = to_remove(home)
    what = f"node {settings.node_name} of the cluster at {settings.server}" if settings.server else f"the cluster at {home.path}"
    held = "pods, images and data" if settings.server else "apps, images and data"
    asking.confirm(f"Remove {what} with all its {held}?", yes=yes)
    with turn(home):
        with output.Progress().step("stopping the node" if settings.server else "stopping the cluster"):
            stop(home)
        homes = [*home.further(), home]
        run(remove(home))
        for each in homes:
            service.forget(each)
    click.echo("removed")
    if settings.server:
        words = f"kubectl delete node {settings.node_name}"
        there = Session(Home(Path(settings.parent)), None, session.verbose) if settings.parent else None
        command = f"`{there.command(words)}`" if there is not None else f"`{words}` on the first machine"
        # As it stands: a note names the home of this command, which is gone.
        click.echo(f"its Node is left in the cluster: {command} takes it away", err=True)
