"""Commands about the instance on this machine: up, down, destroy, status."""

import os
import shutil
import time
from typing import Any

import click

from pilothouse.cli import output
from pilothouse.cli.cluster import ports, service
from pilothouse.cli.daemon.state import State, running_pid
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.cli.settings.home import Home, Settings, SettingsError

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
START_DEADLINE_S = 120.0
STOP_DEADLINE_S = 60.0


def _need_root(command: str) -> None:
    if os.geteuid() != 0:
        raise click.ClickException(f"`ph {command}` needs root, for namespaces, mounts and nftables: run it with sudo")


@click.command()
@click.option("--port", "api_port", type=click.IntRange(1, 65535), help="Port of the Kubernetes API (default 6443).")
@click.option("--http-port", type=click.IntRange(1, 65535), help="Port of the gateway (default 80, or the next free one).")
@click.option("--https-port", type=click.IntRange(1, 65535), help="Port of the gateway for TLS (default 443, or the next free one).")
@click.option("--listen", metavar="ADDRESS", help="Where the gateway can be reached (default 127.0.0.1; 0.0.0.0: from other machines too).")
@click.option("--domain", help="Apps are reached as NAME.DOMAIN (default localhost).")
@click.option("--registry-port", type=click.IntRange(1, 65535), help="Port of the image registry (default 5000, or the next free one).")
@click.option("--pod-cidr", metavar="CIDR", help="Network of the pods (default 10.244.0.0/16).")
@click.option("--service-cidr", metavar="CIDR", help="Network of the services (default 10.96.0.0/16).")
@click.option("--node-name", metavar="NAME", help="Name of the node (default: the host's name).")
@click.option("--no-platform", is_flag=True, help="The Kubernetes cluster alone, without builds, registry and gateway.")
@click.option("--if-needed", is_flag=True, help="When it runs already, wait until it is ready and succeed.")
@pass_session
def up(session: Session, /, no_platform: bool, if_needed: bool, **options: Any) -> None:
    """Start the cluster on this machine; it goes on in the background.

    \b
    Examples:
      ph up
      ph up --http-port 8080
      ph up --listen 0.0.0.0 --domain apps.example.com
      ph --home /tmp/second up --port 7443 --pod-cidr 10.245.0.0/16 --service-cidr 10.97.0.0/16
    """
    _need_root("up")
    home = session.home
    pid = running_pid(home.daemon_pid)
    if pid is not None:
        if if_needed:
            _wait_ready(home)
            return
        raise click.ClickException(f"Pilothouse runs already (pid {pid}, home {home.path}): `ph status` shows it, `ph down` stops it")
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise click.ClickException(f"these packages are missing: {' '.join(missing)}: run scripts/setup, or install them with apt-get")
    stored = Settings.load(home)
    asked = options | {"platform": False if no_platform else None}
    settings = _first_settings(asked) if stored is None else _next_settings(stored, asked)
    settings.save(home)
    service.start(home)
    _wait_ready(home)
    _greet(home, settings)


def _first_settings(asked: dict[str, Any]) -> Settings:
    """Ports that were asked for must be free; the others move out of the way of what is there."""
    settings = Settings().changed(**asked)
    choices = {
        "api_port": ("--port", range(6444, 6543)),
        "http_port": ("--http-port", (8080, *range(8081, 8180))),
        "https_port": ("--https-port", (8443, *range(8444, 8543))),
        "registry_port": ("--registry-port", range(5001, 5100)),
    }
    chosen: dict[str, int] = {}
    for name, (option, others) in choices.items():
        wanted = getattr(settings, name)
        host = settings.host_of(name)
        if asked.get(name) is not None:
            ports.refuse_taken(option, host, wanted)
            chosen[name] = wanted
            continue
        chosen[name] = ports.choose(host, wanted, others)
        if chosen[name] != wanted:
            owner = ports.holder(wanted)
            output.note(f"port {wanted} is taken{f' by {owner}' if owner else ''}: using {chosen[name]} instead")
    return settings.changed(**chosen)


def _next_settings(stored: Settings, asked: dict[str, Any]) -> Settings:
    """An instance keeps its networks and its ports; a port may be changed by asking."""
    for name in ("pod_cidr", "service_cidr", "node_name"):
        if asked.get(name) not in (None, getattr(stored, name)):
            option = name.replace("_", "-")
            raise SettingsError(f"this instance was made with --{option} {getattr(stored, name)}, which cannot change: use another --home")
    settings = stored.changed(**asked)
    options = {"api_port": "--port", "http_port": "--http-port", "https_port": "--https-port", "registry_port": "--registry-port"}
    for name, option in options.items():
        ports.refuse_taken(option, settings.host_of(name), getattr(settings, name))
    return settings


def _wait_ready(home: Home) -> None:
    """Show the steps as the daemon takes them; raises ClickException when it fails."""
    begun = time.monotonic()
    shown = 0
    while time.monotonic() - begun < START_DEADLINE_S:
        state = State.load(home)
        if state is not None:
            for what, took in state.steps[shown:]:
                output.note(f"{output.good('✓')} {what} ({took:.1f} s)")
            shown = len(state.steps)
            if state.phase == "ready":
                return
            if state.phase == "failed":
                raise click.ClickException(state.error)
        if not service.is_running(home):
            raise click.ClickException(f"Pilothouse ended while it started: the last lines of {home.daemon_log} say why")
        time.sleep(0.02)
    raise click.ClickException(f"Pilothouse is not ready after {START_DEADLINE_S:g} s: see {home.daemon_log}")


def _greet(home: Home, settings: Settings) -> None:
    click.echo(f"The cluster is ready at https://{settings.api_host}:{settings.api_port}")
    flag = "" if home.path == Home.chosen(None).path else f" --home {home.path}"
    click.echo(f"  export KUBECONFIG={home.kubeconfig}    or: ph{flag} kubectl get nodes")
    if settings.platform:
        click.echo(f"  ph{flag} deploy PATH                        builds and runs an app, reachable on port {settings.http_port}")


@click.command()
@pass_session
def down(session: Session) -> None:
    """Stop the cluster and keep everything; running containers go on and are taken over by the next `ph up`.

    \b
    Example:
      ph down
    """
    _need_root("down")
    if not stop(session.home):
        output.note(f"Pilothouse is not running at {session.home.path}")
        return
    click.echo("stopped; `ph up` brings it back as it was")


def stop(home: Home) -> bool:
    """End the daemon; False when none ran."""
    if not service.is_running(home):
        return False
    service.request_stop(home)
    deadline = time.monotonic() + STOP_DEADLINE_S
    while service.is_running(home):
        if time.monotonic() > deadline:
            raise click.ClickException(f"Pilothouse does not stop (pid {running_pid(home.daemon_pid)}): see {home.daemon_log}")
        time.sleep(0.02)
    return True


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
    if not (home.settings.exists() or home.node.exists()) and any(home.path.iterdir()):
        raise click.ClickException(f"{home.path} holds no instance of Pilothouse: nothing is removed")
    if not yes:
        click.confirm(f"remove the cluster at {home.path} with all its apps, images and data?", abort=True)
    from pilothouse.cli.cluster.removal import remove

    with output.Progress().step("stopping the daemon"):
        stop(home)
    run(remove(home))
    service.forget(home)
    click.echo("removed")


@click.command()
@output.OUTPUT
@pass_session
def status(session: Session, output: str) -> None:
    """Show what runs and where it can be reached.

    \b
    Examples:
      ph status
      ph status -o json
    """
    run(_status(session, output))


async def _status(session: Session, how: str) -> None:
    from pilothouse.model import kinds, meta
    from pilothouse.model.errors import ApiError
    from pilothouse.platform.apps.types import APPS

    home = session.home
    settings = Settings.load(home)
    if settings is None:
        raise click.ClickException(f"there is no cluster at {home.path}: start one with `ph up`")
    pid = running_pid(home.daemon_pid)
    state = State.load(home)
    if pid is None:
        raise click.ClickException(
            f"Pilothouse is stopped at {home.path}: start it with `ph up`" + (f" ({state.error})" if state and state.error else "")
        )
    async with connected(session) as client:
        nodes = (await client.list(kinds.NODES)).items
        pods = (await client.list_all(kinds.PODS)).items
        try:
            apps = (await client.list_all(APPS)).items
        except ApiError:
            apps = []
    facts = {
        "home": str(home.path),
        "pid": pid,
        "api": f"https://{settings.api_host}:{settings.api_port}",
        "kubeconfig": str(home.kubeconfig),
        "gateway": f"http://{settings.api_host}:{settings.http_port}" if settings.platform else "",
        "registry": f"127.0.0.1:{settings.registry_port}" if settings.platform else "",
        "nodes": {meta.name(n): (meta.condition(n, "Ready") or {}).get("status") == "True" for n in nodes},
        "pods": {"running": sum((p.get("status") or {}).get("phase") == "Running" for p in pods), "all": len(pods)},
        "apps": {"ready": sum((meta.condition(a, "Ready") or {}).get("status") == "True" for a in apps), "all": len(apps)},
        "uptimeSeconds": round(time.time() - state.started) if state else None,
    }
    if how == "table":
        _show_status(facts)
    else:
        output.document(facts, how)


def _show_status(facts: dict[str, Any]) -> None:
    nodes = ", ".join(f"{name} {output.good('Ready') if ready else output.bad('NotReady')}" for name, ready in facts["nodes"].items())
    rows = [
        ("cluster", f"up for {output.age(facts['uptimeSeconds'] or 0)} (pid {facts['pid']})"),
        ("api", f"{facts['api']}   KUBECONFIG={facts['kubeconfig']}"),
        ("nodes", nodes or output.bad("none")),
        ("gateway", facts["gateway"]),
        ("registry", facts["registry"]),
        ("apps", f"{facts['apps']['ready']} of {facts['apps']['all']} ready"),
        ("pods", f"{facts['pods']['running']} of {facts['pods']['all']} running"),
    ]
    for name, text in rows:
        if text:
            click.echo(f"{name:<10}{text}")
