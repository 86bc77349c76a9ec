"""`ph status`: what runs, where it can be reached, and what does not work."""

import time
from typing import Any

import click

from pilothouse.cli import output
from pilothouse.cli.cluster import health, service
from pilothouse.cli.daemon.roles import CONTROL, NODE, ROLES
from pilothouse.cli.daemon.state import State, running_pid
from pilothouse.cli.session import Session, connected, pass_session, run
from pilothouse.cli.settings.home import Settings


@click.command()
@output.OUTPUT
@pass_session
def status(session: Session, output: str) -> None:
    """Show what runs and where it can be reached.

    Succeeds when everything works; what does not is named otherwise.

    \b
    Examples:
      ph status
      ph status -o json
    """
    run(_status(session, output))


async def _status(session: Session, how: str) -> None:
    settings = Settings.load(session.home)
    if settings is None:
        raise click.ClickException(f"there is no cluster at {session.home.path}: start one with `{session.command('up')}`")
    if not service.any_running(session.home):
        errors = [state.error for role in ROLES if (state := State.load(session.home, role)) is not None and state.error]
        why = f" ({errors[0]})" if errors else ""
        raise click.ClickException(f"Pilothouse is stopped at {session.home.path}: start it with `{session.command('up')}`{why}")
    problems = await health.problems(session)
    if problems and problems != health.failing(session.home):
        raise click.ClickException(
            f"{'; '.join(problems)}: `{session.command('down')}` ends it in any state, `{session.command('up')}` starts it"
        )
    facts = await _facts(session, settings, problems)
    if how == "table":
        _show(facts)
    else:
        output.document(facts, how)


async def _facts(session: Session, settings: Settings, problems: list[str]) -> dict[str, Any]:
    from pilothouse.model import kinds, meta
    from pilothouse.model.errors import ApiError
    from pilothouse.platform.apps.types import APPS

    async with connected(session) as client:
        nodes = (await client.list(kinds.NODES)).items
        pods = (await client.list_all(kinds.PODS)).items
        try:
            apps = (await client.list_all(APPS)).items
        except ApiError:
            apps = []
    home = session.home
    state = State.load(home, CONTROL)
    states = [each for role in ROLES if (each := State.load(home, role)) is not None]
    return {
        "home": str(home.path),
        "pid": running_pid(CONTROL.pid(home)),
        "nodePid": running_pid(NODE.pid(home)),
        "api": f"https://{settings.api_host}:{settings.api_port}",
        "kubeconfig": str(home.kubeconfig),
        "gateway": f"http://{settings.api_host}:{settings.http_port}" if settings.platform else "",
        "registry": f"127.0.0.1:{settings.registry_port}" if settings.platform else "",
        "networks": {"pods": settings.pod_cidr, "services": settings.service_cidr},
        "nodes": {meta.name(n): (meta.condition(n, "Ready") or {}).get("status") == "True" for n in nodes},
        "pods": {"running": sum((p.get("status") or {}).get("phase") == "Running" for p in pods), "all": len(pods)},
        "apps": {"ready": sum((meta.condition(a, "Ready") or {}).get("status") == "True" for a in apps), "all": len(apps)},
        "failing": problems,
        "failures": {name: count for each in states for name, count in each.failures.items()},
        "uptimeSeconds": round(time.time() - state.started) if state else None,
    }


def _show(facts: dict[str, Any]) -> None:
    nodes = ", ".join(f"{name} {output.good('Ready') if ready else output.bad('NotReady')}" for name, ready in facts["nodes"].items())
    failures = ", ".join(f"{name} {count}x" for name, count in facts["failures"].items())
    rows = [
        ("cluster", f"up for {output.age(facts['uptimeSeconds'] or 0)} (pids {facts['pid']}, {facts['nodePid']})"),
        ("api", f"{facts['api']}   KUBECONFIG={facts['kubeconfig']}"),
        ("nodes", nodes or output.bad("none")),
        ("gateway", facts["gateway"]),
        ("registry", facts["registry"]),
        ("apps", f"{facts['apps']['ready']} of {facts['apps']['all']} ready"),
        ("pods", f"{facts['pods']['running']} of {facts['pods']['all']} running"),
        *(("failing", output.bad(text)) for text in facts["failing"]),
        ("restarted", failures),
    ]
    for name, text in rows:
        if text:
            click.echo(f"{name:<10}{text}")
