"""`ph audit`: who did what to what, and when."""

import time
from collections import deque
from collections.abc import Callable, Iterator

import click

from pilothouse.cli import names, output
from pilothouse.cli.durations import Duration
from pilothouse.cli.session import Session, pass_session
from pilothouse.model.json import Object

_WIDTHS = (20, 28, 7, 48, 14)
_SYSTEM = "system:"
_STRANGERS = ("system:anonymous", "system:bootstrap:")
_ACCOUNTS, _OWN_ACCOUNTS = "system:serviceaccount:", ("system:serviceaccount:kube-system:", "system:serviceaccount:pilothouse-system:")


def _seen(pick: Callable[[Object], list[str]]) -> "Callable[[click.Context, click.Parameter, str], list[str]]":
    """Completes with what the log has of late."""

    def complete(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from pilothouse.cli.audit.reading import latest

        found = {value for event in latest(names.session_of(context).home.audit_log) for value in pick(event) if value}
        return sorted(value for value in found if value.startswith(incomplete))

    return complete


def _reference(field: str) -> Callable[[Object], list[str]]:
    return lambda event: [(event.get("objectRef") or {}).get(field, "")]


_users = _seen(lambda event: [(event.get(name) or {}).get("username", "") for name in ("user", "impersonatedUser")])
_verbs = _seen(lambda event: [event.get("verb", "")])


@click.command()
@click.option("--user", "users", multiple=True, metavar="NAME", shell_complete=_users, help="Done by this user, or in this user's name.")
@click.option("--verb", "verbs", multiple=True, shell_complete=_verbs, help="create, update, patch, delete, get, ...")
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    shell_complete=_seen(_reference("namespace")),
    help="In this namespace (default: everywhere).",
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    shell_complete=_seen(_reference("resource")),
    help="To this resource: deployments, pods/exec, ...",
)
@click.option(
    "--name", "names_", multiple=True, metavar="NAME", shell_complete=_seen(_reference("name")), help="To the object of this name."
)
@click.option("--since", type=Duration(), default="1d", show_default=True, metavar="DURATION", help="How far to look back.")
@click.option("--failed", is_flag=True, help="Only what was refused or failed.")
@click.option("--people", is_flag=True, help="Leave out the cluster's own parts: nodes, controllers, platform.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="The newest so many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@click.option("-o", "--output", "how", type=click.Choice(["table", "json"]), default="table", help="json: whole events, one a line.")
@pass_session
def audit(
    session: Session,
    users: tuple[str, ...],
    verbs: tuple[str, ...],
    namespaces: tuple[str, ...],
    resources: tuple[str, ...],
    names_: tuple[str, ...],
    since: float,
    failed: bool,
    people: bool,
    limit: int,
    follow: bool,
    how: str,
) -> None:
    """Show who did what to what, and when, from the audit log of this machine; all of its files are read, the compressed ones too.

    An option that is given several times takes each of its values. Reading the log needs root, and nothing is asked of the cluster.

    \b
    Examples:
      ph audit --people --since 2h
      ph audit --resource deployments --name shop
      ph audit --user anna --verb delete --since 7d
      ph audit --resource pods/exec --resource secrets -f
      ph audit --failed -o json
    """
    from pilothouse.cli.audit.reading import Trail
    from pilothouse.cli.audit.wanted import Wanted

    if not session.is_local:
        raise click.UsageError("`ph audit` reads the log of the instance on this machine: leave --kubeconfig out")
    _check_there(session)
    begin = time.time() - since
    wanted = Wanted(users, verbs, namespaces, resources, names_, begin, failed)
    trail = Trail(session.home.audit_log, begin)
    found = (
        event for event in trail.events(follow=follow) if event is None or (wanted.matches(event) and not (people and _is_part(event)))
    )
    _print(found, how, limit, follow=follow)
    if trail.unreadable:
        output.note(f"{trail.unreadable} lines or files could not be read, as when a process was killed while it wrote")


def _check_there(session: Session) -> None:
    from pilothouse.cli.settings.home import Settings

    try:
        if any(session.home.audit_log.iterdir()):
            return
    except FileNotFoundError:
        pass
    except PermissionError as error:
        raise click.ClickException("reading the audit log needs root: run it with sudo") from error
    settings = Settings.load(session.home)
    if settings is None:
        raise click.ClickException(session.absent())
    if settings.audit_mode == "off":
        why = f'`audit_mode` is "off" in {session.home.settings}'
        raise click.ClickException(f'nothing is recorded, since {why}: set it to "batch" and restart the control plane')


def _is_part(event: Object) -> bool:
    """Neither who has not signed in, nor a node's first token, nor a service account of somebody's namespace is a part of the cluster."""
    name = str((event.get("user") or {}).get("username", ""))
    if name.startswith(_ACCOUNTS):
        return name.startswith(_OWN_ACCOUNTS)
    return name.startswith(_SYSTEM) and not name.startswith(_STRANGERS)


def _print(events: Iterator[Object | None], how: str, limit: int, *, follow: bool) -> None:
    """All that is there already, as far as the limit goes, and then each event as it comes. That there is none is said."""
    last: deque[Object] = deque(maxlen=limit)
    count = 0
    for event in events:
        if event is None:
            break
        if how == "json" or _is_shown(event):
            last.append(event)
            count += 1
    if count > limit:
        output.note(f"{count - limit} older ones are left out: narrow the question, or raise --limit")
    if not count and not follow:
        output.note("nothing that is recorded matches; `ph audit-policy show` prints what is recorded")
    _print_all(last, how, follow=follow)
    for event in events:
        if event is not None and (how == "json" or _is_shown(event)):
            _print_one(event, how)


def _is_shown(event: Object) -> bool:
    from pilothouse.cli.audit.wanted import is_shown

    return is_shown(event)


def _print_all(events: deque[Object], how: str, *, follow: bool) -> None:
    """follow: in columns of fixed width, as those that come later."""
    from pilothouse.cli.audit.wanted import HEADINGS, row

    if follow and how == "table":
        click.echo(_line([heading.upper() for heading in HEADINGS]))
    if follow or how == "json":
        for event in events:
            _print_one(event, how)
    elif events:
        output.table(HEADINGS, [row(event) for event in events])


def _print_one(event: Object, how: str) -> None:
    from pilothouse.cli.audit.wanted import row
    from pilothouse.model.json import dumps

    if how == "json":
        click.echo(dumps(event))
        return
    click.echo(_line(row(event)))


def _line(cells: list[str]) -> str:
    *others, last = cells
    return "  ".join([*(f"{cell or '-':<{width}}" for cell, width in zip(others, _WIDTHS, strict=True)), last])
