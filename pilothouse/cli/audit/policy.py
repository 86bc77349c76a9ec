"""`ph audit-policy`: what is recorded."""

import os
import sys
from pathlib import Path

import click

from pilothouse.cli import output
from pilothouse.cli.session import Session, pass_session
from pilothouse.cli.settings.home import Home


@click.group(name="audit-policy")
def audit_policy() -> None:
    """Show and change what is recorded in the audit log.

    A policy is what Kubernetes calls one (audit.k8s.io/v1). A running cluster takes a changed one up within seconds. Bodies of Secrets and
    tokens are never recorded, whatever it says.

    \b
    Examples:
      ph audit-policy show > policy.yaml
      ph audit-policy set policy.yaml
      ph audit-policy reset
    """


@audit_policy.command()
@pass_session
def show(session: Session) -> None:
    """Print the policy: the one that was set, or the default. A file that an editor has broken is printed, and said not to count.

    \b
    Example:
      ph audit-policy show > policy.yaml
    """
    from pilothouse.engine.apiserver.audit.policy_file import DEFAULT, PolicyError, read

    path = _home(session).audit_policy
    try:
        text = path.read_text(errors="replace")
        read(path)
    except FileNotFoundError:
        text = DEFAULT.read_text()
    except PolicyError as error:
        output.note(f"nothing is recorded by this file: {error}")
    click.echo(text, nl=not text.endswith("\n"))


@audit_policy.command(name="set")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@pass_session
def set_(session: Session, file: Path) -> None:
    """Record by this policy from now on; `-` reads it from standard input. A policy that is not valid changes nothing.

    \b
    Examples:
      ph audit-policy set policy.yaml
      ph audit-policy show | sed s/Metadata/Request/ | ph audit-policy set -
    """
    from pilothouse.engine.apiserver.audit.policy_file import LARGEST_BYTES, PolicyError, parsed

    home = _home(session)
    if str(file) == "-":
        data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    else:
        with file.open("rb") as given:
            data = given.read(LARGEST_BYTES + 1)
    try:
        policy = parsed(data)
    except PolicyError as error:
        raise click.ClickException(f"{'the policy' if str(file) == '-' else file} is not valid, and nothing is changed: {error}") from error
    _replace(home.audit_policy, data)
    rules = f"{len(policy.rules)} rule{'s' if len(policy.rules) > 1 else ''}"
    output.say(f"{home.audit_policy} ({rules}) says what is recorded{_from_when(home)}")


@audit_policy.command()
@pass_session
def reset(session: Session) -> None:
    """Go back to the default policy.

    \b
    Example:
      ph audit-policy reset
    """
    home = _home(session)
    home.audit_policy.unlink(missing_ok=True)
    output.say(f"the default policy says what is recorded{_from_when(home)}")


def _home(session: Session) -> Home:
    if not session.is_local:
        raise click.UsageError("`ph audit-policy` is about the instance on this machine: leave --kubeconfig out")
    if not session.home.path.is_dir():
        raise click.ClickException(session.absent())
    return session.home


def _from_when(home: Home) -> str:
    from pilothouse.cli.daemon.roles import CONTROL
    from pilothouse.cli.daemon.state import running_pid

    return ", within seconds" if running_pid(CONTROL.pid(home)) is not None else ", once the cluster runs"


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all, also when the power fails."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
