"""What an instance may not hold, and the sentence that says so."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import check
from pilothouse.platform.databases.mysql.types import MySQLSpec


def faults(status: Object | None = None, **spec: Any) -> str:
    return "; ".join(check.faults({"metadata": {"name": "orders"}, "status": status or {}}, MySQLSpec.model_validate(spec)))


def claim(size: str, storage_class: str = "local") -> Object:
    spec = {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": "data-orders-0"}, "spec": spec}


def against(spec: Object, found: Object) -> str:
    return "; ".join(check.against(MySQLSpec.model_validate(spec), {"data-orders-0": found}, None))


def test_what_a_user_writes_without_thinking_is_fine() -> None:
    assert faults() == ""
    assert faults(replicas=3, size="1.5Gi", resources={"cpu": "2", "memory": "1G"}) == ""


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"replicas": 2}, "use 1, or 3 and more"),
        ({"replicas": 0}, "suspended: true"),
        ({"size": "1M"}, "at least 300Mi"),
        ({"resources": {"memory": "64Mi"}}, "at least 128Mi"),
        ({"resources": {"cpu": "0"}}, "must be more than nothing"),
        ({"backup": {"schedule": "61 * * * *"}}, "spec.backup.schedule: "),
        ({"backup": {"schedule": "nightly"}}, "five fields"),
        ({"restore": {}}, "exactly one of backup and instance"),
        ({"restore": {"backup": "a", "time": "2026-01-01T00:00:00Z", "gtid": "0-1-1"}}, "leave one out"),
        ({"access": {"clients": [{"cidr": "10.1.0.0"}]}}, "write one such as 10.1.0.0/16"),
        ({"access": {"clients": [{"cidr": "10.1.0.0/16", "labels": {"a": "b"}}]}}, "write two clients"),
        ({"parameters": {"no_such": "1"}}, "no_such"),
    ],
)
def test_a_fault_is_one_sentence_with_a_way_out(spec: Object, said: str) -> None:
    assert said in faults(**spec)


def test_an_older_series_is_refused_and_an_older_release_of_the_series_is_not() -> None:
    running = {"version": "10.11.18", "seeded": "orders-0"}
    assert "cannot read" in faults(running, version="10.6")
    assert faults(running, version="10.11.17") == ""
    assert faults(running, version="11.4") == ""
    assert "mariadb has no version 8.0" in faults({}, version="8.0")
    assert "mysql has no version 10.11" in faults({}, flavour="mysql", version="10.11")


def test_a_volume_neither_shrinks_nor_changes_its_class() -> None:
    assert "never shrinks: use 2Gi or more" in against({"size": "1Gi"}, claim("2Gi"))
    assert "storageClass is fast" in against({"size": "2Gi", "storageClass": "fast"}, claim("2Gi"))
    assert against({"size": "2048Mi"}, claim("2Gi")) == ""
