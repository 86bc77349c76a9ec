"""A Prometheus that watches a primary and its replica, and has the platform's rules."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from pilothouse.platform.databases.mysql.monitoring.rules import text
from tests.platform.databases.lab import Lab, Member, _free_port

pytestmark = pytest.mark.slow

EMPTY = {"kind": "empty", "id": "1"}
NAMES = ["MySQLMemberDown", "MySQLReplicationStopped"]


def configuration(lab: Lab) -> dict[str, object]:
    """As docs/how-to/watch-a-database.md has it, with addresses instead of a cluster."""
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": "pilothouse-mysql",
                "scheme": "https",
                "tls_config": {"ca_file": str(lab[0].folder / "tls" / "ca.crt"), "server_name": "localhost"},
                "static_configs": [{"targets": [f"127.0.0.1:{member.port}" for member in lab.members]}],
            }
        ],
    }


def quick_rules() -> str:
    """Those that are tried here, without their minutes of waiting."""
    rules = [rule | {"for": "1s"} for group in yaml.safe_load(text())["groups"] for rule in group["rules"] if rule["alert"] in NAMES]
    return yaml.safe_dump({"groups": [{"name": "pilothouse-mysql", "rules": rules}]})


@contextmanager
def prometheus(place: Path, lab: Lab) -> Iterator[str]:
    """Its address."""
    (place / "rules.yaml").write_text(quick_rules())
    (place / "prometheus.yaml").write_text(yaml.safe_dump(configuration(lab)))
    address = f"127.0.0.1:{_free_port()}"
    command = [
        "prometheus",
        f"--config.file={place}/prometheus.yaml",
        f"--storage.tsdb.path={place}/data",
        f"--web.listen-address={address}",
    ]
    with (place / "log").open("wb") as log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
        try:
            yield f"http://{address}"
        finally:
            process.kill()


def ask(address: str, expression: str) -> list[dict[str, object]]:
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            found: list[dict[str, object]] = json.load(answer)["data"]["result"]
            return found
    except OSError:
        return []


def until(address: str, expression: str, holds: Callable[[list[dict[str, object]]], bool], within_s: float = 40) -> None:
    end, found = time.monotonic() + within_s, []
    while time.monotonic() < end:
        if holds(found := ask(address, expression)):
            return
        time.sleep(0.5)
    raise AssertionError(f"{expression} is {found}")


def replicate(lab: Lab) -> None:
    primary, replica = lab.members
    primary.applied(seed=EMPTY)
    source = {"host": "localhost", "port": primary.sql_port}
    clone = {"kind": "clone", "host": "localhost", "port": primary.port}
    replica.applied(within_s=60, role="replica", source=source, seed=clone, acknowledges=True)


def members(result: list[dict[str, object]]) -> set[str]:
    return {str(each["metric"]["member"]) for each in result}  # type: ignore[index]


def test_members_are_seen_and_alerts_fire_when_one_is_in_trouble(make_lab: Callable[[int], Lab], tmp_path: Path) -> None:
    lab = make_lab(2)
    lab.start()
    replicate(lab)
    with prometheus(tmp_path, lab) as address:
        until(address, "mysql_up == 1", lambda found: members(found) == {"orders-0", "orders-1"})
        until(address, "mysql_slave_status_slave_sql_running == 1", lambda found: members(found) == {"orders-1"})
        lab[0].sql("CREATE TABLE items (id INT PRIMARY KEY AUTO_INCREMENT)")
        end_at_once(lab[0])
        until(address, 'ALERTS{alertname="MySQLMemberDown", alertstate="firing"}', lambda found: members(found) == {"orders-0"})
        until(address, 'ALERTS{alertname="MySQLReplicationStopped", alertstate="firing"}', lambda found: members(found) == {"orders-1"})


def end_at_once(member: Member) -> None:
    member.put(role="stopped", graceful=False)
    member.until(lambda state: state["process"] == "ended")
