"""`ph status`: what runs, where it can be reached, and what does not work."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli import output
from pilothouse.cli.cluster import health, static_pods, webhooks
from pilothouse.cli.cluster.trust import TrustStores, authority_file, store_name
from pilothouse.cli.daemon.roles import CONTROL, NODE, roles_of
from pilothouse.cli.daemon.state import State, running_pid
from pilothouse.cli.session import Session, connected, copyable, pass_session, run
from pilothouse.cli.settings.home import Home, Settings
from pilothouse.model.json import Object
from pilothouse.model.networks import shown

if TYPE_CHECKING:
    from pilothouse.client.client import Client

Facts = dict[str, Any]


@click.command()
@output.OUTPUT
@pass_session
def status(session: Session, output: str) -> None:
    """Show what runs and where it can be reached.

    Succeeds when everything works; otherwise what does not is named, and the exit code is 1. Pods that have done their work are not
    counted. With `ph --kubeconfig` it tells what that cluster's API says.

    \b
    Examples:
      ph status
      ph status -o json
    """
    run(_status(session, output))


async def _status(session: Session, how: str) -> None:
    facts = await (_instance(session) if session.is_local else _foreign(session))
    if how == "table":
        _show(facts)
    else:
        output.document(facts, how)
    if session.is_local and (lacking := _lacking(facts)):
        raise click.ClickException(f"not everything works: {', '.join(lacking)}")


async def _instance(session: Session) -> Facts:
    """Raises ClickException when it does not work."""
    settings = Settings.load(session.home)
    if settings is None:
        raise click.ClickException(session.absent())
    if reason := health.not_running(session):
        raise click.ClickException(reason)
    problems = await health.problems(session)
    if problems and problems != health.failing(session.home):
        raise click.ClickException(health.with_way_out(session, problems))
    if settings.server:
        return _of_joined(session.home, settings) | {"failing": [*problems, *static_pods.failing(session.home)]}
    async with connected(session) as client:
        counted = await _counted(client)
        problems = [*problems, *health.of_further(session.home), *await webhooks.failing(client), *static_pods.failing(session.home)]
    return _of_processes(session.home) | _of_settings(session.home, settings) | counted | {"failing": problems}


async def _foreign(session: Session) -> Facts:
    """A cluster of which nothing is known but what its API says."""
    from pilothouse.client.kubeconfig import load

    async with connected(session) as client:
        version = (await client.call("GET", "/version")).get("gitVersion", "")
        counted = await _counted(client)
    return {"api": load(session.kubeconfig).server, "kubeconfig": str(session.kubeconfig), "version": version} | counted


def _of_processes(home: Home) -> Facts:
    states = [each for role in roles_of(home) if (each := State.load(home, role)) is not None]
    control = State.load(home, CONTROL)
    return {
        "home": str(home.path),
        "pid": running_pid(CONTROL.pid(home)),
        "nodePid": running_pid(NODE.pid(home)),
        "failures": {name: count for each in states for name, count in each.failures.items()},
        "uptimeSeconds": round(time.time() - control.started) if control else None,
        "logs": str(home.log),
    }


def _of_joined(home: Home, settings: Settings) -> Facts:
    """A node of a cluster whose control plane is elsewhere: what is known here."""
    state = State.load(home, roles_of(home)[0])
    return {
        "home": str(home.path),
        "nodePid": running_pid(NODE.pid(home)),
        "uptimeSeconds": round(time.time() - state.started) if state else None,
        "failures": dict(state.failures) if state else {},
        "server": settings.server,
        "node": {"name": settings.node_name, "address": shown(settings.addresses), "podCIDR": settings.node_cidr},
        "logs": str(home.log),
    }


def _of_settings(home: Home, settings: Settings) -> Facts:
    has_gateway = settings.platform
    return {
        "api": f"https://{settings.api_host}:{settings.api_port}",
        "kubeconfig": str(home.kubeconfig),
        "gateway": f"http://{settings.host_of('http_port')}:{settings.http_port}" if has_gateway else "",
        "gatewayTls": f"https://{settings.host_of('https_port')}:{settings.https_port}" if has_gateway else "",
        "registry": f"127.0.0.1:{settings.registry_port}" if has_gateway else "",
        "trust": _trust(home) if has_gateway else "",
        "networks": {"pods": settings.pod_cidr, "services": settings.service_cidr},
    }


def _lacking(facts: Facts) -> list[str]:
    """In short what is shown at length before it."""
    failing = len(facts["failing"])
    named = [f"{failing} thing{'s' if failing > 1 else ''} named as failing"] if failing else []
    unready = [f"node {name} is not ready" for name, is_ready in facts.get("nodes", {}).items() if not is_ready]
    short = [f"node {name} is under {' and '.join(conditions)}" for name, conditions in facts.get("pressure", {}).items()]
    return [*named, *unready, *short]


def _trust(home: Home) -> str:
    """Nothing when this machine trusts the authority as it is, or not at all."""
    if not TrustStores(store_name(home)).is_outdated(authority_file(home)):
        return ""
    return (
        f"this machine trusts an earlier certificate of the authority, without --domain: `{copyable('trust')}` with sudo brings the new one"
    )


async def _counted(client: "Client") -> Facts:
    """apps: None on a cluster without the platform."""
    from pilothouse.model import kinds, meta
    from pilothouse.model.errors import NotFound
    from pilothouse.model.node_objects import is_simulated
    from pilothouse.platform.apps.resource import APPS

    def is_ready(obj: Object) -> bool:
        return (meta.condition(obj, "Ready") or {}).get("status") == "True"

    every_node = (await client.list_all(kinds.NODES)).items
    nodes = [node for node in every_node if not is_simulated(node)]
    simulated = [node for node in every_node if is_simulated(node)]
    pods = [pod for pod in (await client.list_all(kinds.PODS)).items if not is_over(pod)]
    try:
        apps = (await client.list_all(APPS)).items
    except NotFound:
        apps = None
    return {
        "nodes": {meta.name(node): is_ready(node) for node in nodes},
        "pressure": {meta.name(node): found for node in nodes if (found := _pressure(node))},
        "cordoned": [meta.name(node) for node in nodes if (node.get("spec") or {}).get("unschedulable")],
        "simulated": {"ready": sum(map(is_ready, simulated)), "all": len(simulated)},
        "pods": {"running": sum(phase(pod) == "Running" for pod in pods), "all": len(pods)},
        "apps": None if apps is None else {"ready": sum(map(is_ready, apps)), "all": len(apps)},
    }


def _pressure(node: Object) -> list[str]:
    """The conditions by which it says that it evicts pods, or is about to, and takes no others."""
    from pilothouse.model import meta

    kinds_of = ("MemoryPressure", "DiskPressure", "PIDPressure")
    return [kind for kind in kinds_of if (meta.condition(node, kind) or {}).get("status") == "True"]


ENDED_WITH_NODE = ("Terminated", "NodeShutdown")


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_over(pod: Object) -> bool:
    """Whether it has done its work, as every pod of a build has at some time: it is neither running nor missing.

    For one that has failed its controller makes another, if one is needed. One that ended with its node was told to.
    """
    from pilothouse.model import meta

    if phase(pod) != "Failed":
        return phase(pod) == "Succeeded"
    return meta.controller_of(pod) is not None or pod["status"].get("reason") in ENDED_WITH_NODE


def _show_joined(facts: Facts) -> None:
    node = facts["node"]
    rows = [
        ("node", f"{node['name']}, up for {output.age(facts['uptimeSeconds'] or 0)} (pid {facts['nodePid']})"),
        ("cluster", facts["server"]),
        ("address", node["address"]),
        ("pods", node["podCIDR"]),
        ("logs", facts["logs"]),
        *(("failing", output.bad(text)) for text in facts["failing"]),
        ("restarted", ", ".join(f"{name} {count}x" for name, count in facts["failures"].items())),
    ]
    _print(rows)


def _print(rows: Iterable[tuple[str, str | None]]) -> None:
    for name, text in rows:
        if text:
            click.echo(f"{name:<10}{text}")


def _show(facts: Facts) -> None:
    if "server" in facts:
        _show_joined(facts)
        return
    nodes = ", ".join(
        _node(name, ready, name in facts["cordoned"], facts["pressure"].get(name, [])) for name, ready in facts["nodes"].items()
    )
    apps, pods, simulated = facts["apps"], facts["pods"], facts["simulated"]
    rows = [
        ("cluster", _life(facts)),
        ("version", facts.get("version")),
        ("api", f"{facts['api']}   KUBECONFIG={facts['kubeconfig']}"),
        ("nodes", nodes or output.bad("none")),
        ("simulated", f"{simulated['ready']} of {simulated['all']} nodes ready" if simulated["all"] else ""),
        ("gateway", "   ".join(each for each in (facts.get("gateway"), facts.get("gatewayTls")) if each)),
        ("trust", facts.get("trust")),
        ("registry", facts.get("registry")),
        ("networks", _networks(facts)),
        ("apps", f"{apps['ready']} of {apps['all']} ready" if apps is not None else ""),
        ("pods", f"{pods['running']} of {pods['all']} running"),
        ("logs", facts.get("logs")),
        *(("failing", output.bad(text)) for text in facts.get("failing", ())),
        ("restarted", ", ".join(f"{name} {count}x" for name, count in facts.get("failures", {}).items())),
    ]
    _print(rows)


def _node(name: str, is_ready: bool, is_cordoned: bool, pressure: list[str]) -> str:
    """A cordoned node works: that it takes no pods is somebody's wish, which is easily forgotten."""
    state = ", ".join([output.good("Ready") if is_ready else output.bad("NotReady"), *map(output.half, pressure)])
    if is_cordoned:
        return f"{name} {state}, takes no new pods until `{copyable(f'kubectl uncordon {name}')}`"
    if pressure or not is_ready:
        return f"{name} {state} (`{copyable(f'kubectl describe node {name}')}` says why)"
    return f"{name} {state}"


def _networks(facts: Facts) -> str:
    """Of one family, or of both with a comma; nothing of a cluster that only its API is known of."""
    found = facts.get("networks")
    return f"pods {found['pods']}   services {found['services']}" if found else ""


def _life(facts: Facts) -> str:
    return f"up for {output.age(facts['uptimeSeconds'] or 0)} (pids {facts['pid']}, {facts['nodePid']})" if "pid" in facts else ""
