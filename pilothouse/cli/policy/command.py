"""`ph policy`: the group and what is in it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli import output
from pilothouse.cli.session import Session, connected, pass_session, run

if TYPE_CHECKING:
    from pilothouse.cli.policy.cases import Result
    from pilothouse.cli.policy.suite import Suite


@click.group()
def policy() -> None:
    """Try what network policies let pass.

    \b
    Examples:
      ph policy test policies.yaml
      ph policy test --live policies.yaml
    """


@policy.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--live", is_flag=True, help="Send packets between the pods of the running cluster; needs root on their machine.")
@output.OUTPUT
@pass_session
def test(session: Session, file: Path, live: bool, output: str) -> None:
    """Hold cases of who may reach whom against policies.

    FILE has the cases, and beside them, or in the files that it names, the policies, pods and namespaces. Without --live nothing but these
    files is looked at. With --live it is the running cluster that is asked, and packets that are sent; both must say the same.

    \b
    manifests: [policies/]
    cases:
    - {from: shop/web, to: shop/db, port: 5432, expected: allowed}
    - {from: shop/web, to: shop/db, protocol: ICMP, expected: denied}

    \b
    Examples:
      ph policy test policies.yaml
      ph policy test --live policies.yaml
      ph policy test -o json policies.yaml
    """
    from pilothouse.cli.policy import suite

    try:
        wanted = suite.read(file)
        results = run(_live(session, wanted)) if live else _offline(wanted)
    except suite.SuiteError as error:
        raise click.ClickException(str(error)) from error
    _show(results, output)
    sys.exit(0 if all(result.has_passed for result in results) else 1)


def _offline(wanted: "Suite") -> "list[Result]":
    from pilothouse.cli.policy import checking, offline

    left_out = checking.check(wanted.objects)
    cluster = offline.Cluster(wanted.objects)
    for warning in (*cluster.complaints, *([left_out] if left_out else ())):
        click.echo(f"warning: {warning}", err=True)
    return offline.tried(wanted.cases, cluster)


async def _live(session: Session, wanted: "Suite") -> "list[Result]":
    from pilothouse.cli.policy import live

    async with connected(session) as client:
        return await live.tried(client, wanted.cases)


def _show(results: "list[Result]", how: str) -> None:
    if how != "table":
        output.document([result.as_data() for result in results], how)
        return
    for result in results:
        click.echo(f"{_mark(result)}  {result.sentence()}")
    failed, skipped = sum(not each.has_passed and not each.skipped for each in results), sum(bool(each.skipped) for each in results)
    click.echo(f"{len(results)} case{'' if len(results) == 1 else 's'}, {failed} failed" + (f", {skipped} not tried" if skipped else ""))


def _mark(result: "Result") -> str:
    if result.skipped:
        return output.half("----")
    return output.good("ok  ") if result.has_passed else output.bad("FAIL")
