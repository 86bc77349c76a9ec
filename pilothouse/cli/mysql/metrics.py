"""`ph mysql metrics`: what members measure of themselves."""

import asyncio

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import completing
from pilothouse.cli.mysql.inside import AGENT, ran
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run

FETCH = (
    "import ssl, sys, time, urllib.request\n"
    "trusted = ssl.create_default_context(cafile='/tls/ca.crt')\n"
    "trusted.check_hostname = False\n"
    "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted))\n"
    "for pause_s in sys.argv[1:]:\n"
    "    time.sleep(float(pause_s))\n"
    "    sys.stdout.write(opener.open('https://127.0.0.1:8443/metrics', timeout=10).read().decode() + '# EOF\\n')\n"
)
"""Run beside the agent, which answers there without a certificate of the client's. Its arguments: seconds before each of the answers."""
END = "# EOF\n"
BETWEEN_S = 2.0
"""Of the two answers that rates are taken from."""


@click.command()
@click.argument("instance", required=False, shell_complete=completing.instances)
@NAMESPACE
@click.option("--member", metavar="MEMBER", shell_complete=completing.members, help="Only of this member.")
@click.option("--rules", is_flag=True, help="Instead, print rules by which Prometheus raises alerts for all instances.")
@click.option(
    "-o",
    "--output",
    "how",
    type=click.Choice(["table", "json", "yaml", "prometheus"]),
    default="table",
    help="table: the main figures, rates over two seconds. The others have all; prometheus: as the members say them.",
)
@pass_session
def metrics(session: Session, instance: str | None, namespace: str, member: str | None, rules: bool, how: str) -> None:
    """Show what an instance's members measure: statements, connections, lag, cache, disk.

    \b
    Examples:
      ph mysql metrics orders
      ph mysql metrics orders --member orders-1 -o prometheus
      ph mysql metrics --rules > pilothouse-mysql.yaml
    """
    if rules == bool(instance):
        raise click.UsageError("name an instance, or --rules for rules that are those of all instances")
    if instance is None:
        from pilothouse.platform.databases.mysql.monitoring.rules import text

        click.echo(text(), nl=False)
        return
    run(_metrics(session, instance, namespace, member, how))


async def _metrics(session: Session, name: str, namespace: str, member: str | None, how: str) -> None:
    from pilothouse.cli.mysql.figures import Measured, rows
    from pilothouse.cli.mysql.lookup import find_instance, members, require_member, require_running
    from pilothouse.cli.mysql.samples import document, samples

    pauses = ["0", str(BETWEEN_S)] if how == "table" else ["0"]
    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        require_running(instance)
        wanted = [require_member(instance, member)] if member is not None else members(instance)
        asked = (ran(client, each, namespace, AGENT, ["python3", "-I", "-c", FETCH, *pauses]) for each in wanted)
        answers = [text.decode().split(END)[: len(pauses)] for text in await asyncio.gather(*asked)]
    if how == "prometheus":
        click.echo("".join(text for (text,) in answers), nl=False)
    elif how == "table":
        output.table(["", *wanted], list(rows([Measured.of(*(list(samples(text, buckets=True)) for text in texts)) for texts in answers])))
    else:
        found = dict(zip(wanted, answers, strict=True))
        output.document({each: [document(one) for one in samples(text)] for each, (text,) in found.items()}, how)
