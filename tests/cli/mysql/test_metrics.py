import subprocess
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from pilothouse.cli.main import ph
from pilothouse.cli.mysql.figures import Measured, rows
from pilothouse.cli.mysql.metrics import END, FETCH
from pilothouse.cli.mysql.samples import Sample, document, samples
from pilothouse.platform.databases.mysql.monitoring.rules import text as rules_text
from tests.platform.databases.lab import PYTHON, Lab, Member

TEXT = """# HELP mysql_up Whether it answers.
# TYPE mysql_up gauge
mysql_up 1
disk_free_bytes{member="a",path="/da\\"ta"} 3221225472
latency_seconds_bucket{le="1"} 4
latency_seconds_sum 0.123456
odd NaN
broken
"""


def test_samples_are_read_with_their_labels_and_without_buckets() -> None:
    found = list(samples(TEXT))
    assert [(each.name, each.labels) for each in found] == [
        ("mysql_up", {}),
        ("disk_free_bytes", {"member": "a", "path": '/da\\"ta'}),
        ("latency_seconds_sum", {}),
        ("odd", {}),
    ]
    assert document(found[-1]) == {"name": "odd", "labels": {}, "value": "NaN"}


def of(**figures: float) -> list[Sample]:
    common = {"namespace": "default", "mysql": "orders", "member": "orders-0"}
    at = {"pilothouse_mysql_measured_timestamp_seconds": figures.pop("at", 0.0)}
    return [Sample(name, common, float(value)) for name, value in {**figures, **at}.items()]


def table(measured: Measured) -> dict[str, str]:
    return {title.strip(): shown for title, shown in rows([measured])}


def test_rates_are_of_the_time_between_two_answers() -> None:
    first = of(at=100.0, mysql_global_status_questions=1000, mysql_global_status_query_time=5.0)
    last = of(at=102.5, mysql_global_status_questions=1500, mysql_global_status_query_time=6.0)
    shown = table(Measured.of(first, last))
    assert (shown["statements/s"], shown["mean time"]) == ("200", "2 ms")


def buckets(at: float, counts: dict[str, float]) -> list[Sample]:
    found = (Sample("pilothouse_mysql_statement_seconds_bucket", {"le": bound}, count) for bound, count in counts.items())
    return [*of(at=at), *found]


def test_what_99_of_100_statements_take_is_said_of_those_between_two_answers() -> None:
    first = buckets(1.0, {"0.001": 1000.0, "0.01": 2000.0, "+Inf": 3000.0})
    last = buckets(3.0, {"0.001": 1090.0, "0.01": 2099.0, "+Inf": 3100.0})
    assert table(Measured.of(first, last))["99% take"] == "10 ms at most"
    slow = buckets(3.0, {"0.001": 1090.0, "0.01": 2098.0, "+Inf": 3100.0})
    assert table(Measured.of(first, slow))["99% take"] == "over 10 ms"


def test_a_server_that_was_started_between_has_no_rates() -> None:
    shown = table(Measured.of(of(at=1.0, mysql_global_status_questions=900), of(at=3.0, mysql_global_status_questions=7)))
    assert shown["statements/s"] == "-"


def test_a_member_without_a_server_says_so() -> None:
    down = of(mysql_up=0, pilothouse_mysql_volume_free_bytes=3 * 2**30, pilothouse_mysql_volume_size_bytes=4 * 2**30)
    shown = table(Measured.of(down, down))
    assert (shown["up for"], shown["lag"], shown["volume free"]) == ("does not answer", "-", "3Gi of 4Gi (75%)")


@pytest.mark.parametrize("arguments", [[], ["orders", "--rules"]])
def test_rules_are_of_no_instance(arguments: list[str]) -> None:
    done = CliRunner().invoke(ph, ["mysql", "metrics", *arguments])
    assert done.exit_code == 2
    assert "name an instance, or --rules" in done.output


def test_rules_need_no_cluster() -> None:
    done = CliRunner().invoke(ph, ["mysql", "metrics", "--rules"])
    assert (done.exit_code, done.output) == (0, rules_text())


@pytest.fixture
def member() -> Iterator[Member]:
    lab = Lab(1)
    lab.start()
    lab[0].applied(seed={"kind": "empty", "id": "1"})
    yield lab[0]
    lab.close()


def test_every_figure_is_there_of_a_real_primary(member: Member) -> None:
    first, last = fetched(member, "0", "1.2")
    shown = table(Measured.of(list(samples(first)), list(samples(last))))
    assert shown["role"] == "primary"
    assert float(shown["statements/s"]) > 0
    empty = {title for title, each in shown.items() if each == "-"}
    assert empty == {"99% take", "lag", "acknowledging"}


def fetched(member: Member, *pauses: str) -> list[str]:
    """As the program is run in the pod, but for its places."""
    program = FETCH.replace("/tls/ca.crt", str(member.folder / "tls" / "ca.crt")).replace("127.0.0.1:8443", f"127.0.0.1:{member.port}")
    done = subprocess.run([PYTHON, "-I", "-c", program, *pauses], capture_output=True, timeout=60, check=True)
    return done.stdout.decode().split(END)[: len(pauses)]
