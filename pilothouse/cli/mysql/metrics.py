"""`ph mysql metrics`: what members measure of themselves."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from pilothouse.cli import output
from pilothouse.cli.mysql import completing, values
from pilothouse.cli.mysql.inside import AGENT, ran
from pilothouse.cli.session import NAMESPACE, Session, connected, pass_session, run
from pilothouse.model.json import Object

FETCH = (
    "import ssl, sys, urllib.request\n"
    "trusted = ssl.create_default_context(cafile='/tls/ca.crt')\n"
    "trusted.check_hostname = False\n"
    "opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted))\n"
    "try:\n"
    "    sys.stdout.write(opener.open('https://127.0.0.1:8443/metrics', timeout=10).read().decode())\n"
    "except OSError as error:\n"
    "    sys.exit(f'its agent gives no metrics: {error}')\n"
)
"""Run beside the agent, which answers there without a certificate of the client's."""
TEXTS = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
"""As the format writes what is no number."""
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? ([^ ]+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Sample(NamedTuple):
    name: str
    labels: str
    value: float


@click.command()
@values.INSTANCE
@NAMESPACE
@click.option("--member", metavar="MEMBER", shell_complete=completing.members, help="Only of this member.")
@click.option(
    "-o",
    "--output",
    "how",
    type=click.Choice(["table", "json", "yaml", "prometheus"]),
    default="table",
    help="How to print them; prometheus: as the members have them.",
)
@pass_session
def metrics(session: Session, instance: str, namespace: str, member: str | None, how: str) -> None:
    """Show what an instance's members measure: queries, sessions, lag, cache, disk.

    \b
    Examples:
      ph mysql metrics orders
      ph mysql metrics orders --member orders-1 -o prometheus
    """
    run(_metrics(session, instance, namespace, member, how))


async def _metrics(session: Session, name: str, namespace: str, member: str | None, how: str) -> None:
    from pilothouse.cli.mysql.lookup import find_instance, members, require_member, require_running

    async with connected(session) as client:
        instance = await find_instance(client, name, namespace)
        require_running(instance)
        wanted = [require_member(instance, member)] if member is not None else members(instance)
        texts = {each: (await ran(client, each, namespace, AGENT, ["python3", "-I", "-c", FETCH])).decode() for each in wanted}
    if how == "prometheus":
        click.echo("".join(texts.values()), nl=False)
        return
    found = {each: list(samples(text)) for each, text in texts.items()}
    if how != "table":
        output.document({each: [document(one) for one in several] for each, several in found.items()}, how)
        return
    output.table(["metric", *found], list(rows(list(found.values()))))


def samples(text: str) -> Iterator[Sample]:
    """Of the text format. Buckets of histograms are left out. Source: Prometheus, "Exposition formats", version 0.0.4."""
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found is not None and not found[1].endswith("_bucket"):
            labels = ",".join(f"{key}={value}" for key, value in _LABEL.findall(found[2] or ""))
            yield Sample(found[1], labels, float(found[3]))


def document(one: Sample) -> Object:
    """JSON has no word for what is no number."""
    return one._asdict() | {"value": one.value if math.isfinite(one.value) else TEXTS[str(one.value)]}


def rows(members: Sequence[Sequence[Sample]]) -> Iterator[list[str]]:
    """A metric a row, a member a column."""
    by_member = [{(one.name, one.labels): one.value for one in each} for each in members]
    for name, labels in dict.fromkeys(key for each in by_member for key in each):
        shown = f"{name}{{{labels}}}" if labels else name
        yield [shown, *(_shown(each.get((name, labels)), name) for each in by_member)]


def _shown(value: float | None, name: str) -> str:
    if value is None:
        return ""
    if not math.isfinite(value):
        return TEXTS[str(value)]
    if name.endswith("_bytes"):
        from pilothouse.cli.mysql.show import binary

        return binary(value)
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}"
