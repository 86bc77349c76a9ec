"""Backups, the archive and restores of a database, in real containers, with its store on a volume."""

import json
from typing import Any

import pytest

from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1200)]
IMAGE_S = 600
SMALL = {"size": "512Mi", "resources": {"cpu": "100m", "memory": "256Mi"}}


class Place:
    """A namespace with databases and backups."""

    def __init__(self, instance: Instance, namespace: str) -> None:
        self.instance, self.namespace = instance, namespace

    def apply(self, kind: str, name: str, **spec: Any) -> None:
        made = {"apiVersion": "databases.pilothouse.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.kubectl("apply", "-f", "-", input=json.dumps(made))

    def patch(self, kind: str, name: str, **spec: Any) -> None:
        self.kubectl("patch", kind, name, "--type", "merge", "-p", json.dumps({"spec": spec}))

    def kubectl(self, *args: str, input: str | None = None) -> str:
        return self.instance.kubectl("-n", self.namespace, *args, input=input, timeout=IMAGE_S).stdout

    def wait(self, what: str, path: str, value: str, timeout_s: int = 180) -> None:
        self.kubectl("wait", what, f"--for=jsonpath={{{path}}}={value}", f"--timeout={timeout_s}s")

    def condition(self, what: str, kind: str, status: str, timeout_s: int = 180) -> str:
        path = f'.status.conditions[?(@.type=="{kind}")]'
        self.wait(what, f"{path}.status", status, timeout_s)
        return self.kubectl("get", what, "-o", f"jsonpath={{{path}.message}}")

    def sql(self, database: str, text: str) -> str:
        """Over the socket, as the member's own user."""
        client = ("mariadb", "--defaults-file=/run/database/my.cnf", "-Ne", text)
        return self.kubectl("exec", f"{database}-0", "-c", "database", "--", *client).strip()

    def backup(self, name: str) -> None:
        self.apply("Backup", name, service={"kind": "MySQL", "name": "orders"})
        self.condition(f"backup/{name}", "Verified", "True")


def test_a_database_is_backed_up_archived_restored_and_keeps_a_last_backup(instance: Instance, namespace: str) -> None:
    place = Place(instance, namespace)
    place.apply("MySQL", "orders", **SMALL, backup={"archive": True})
    place.wait("mysql/orders", ".status.phase", "Online", IMAGE_S)
    place.condition("mysql/orders", "Archiving", "True")
    place.sql("orders", "create table orders.t (a int primary key auto_increment); insert into orders.t values (), ()")
    place.backup("first")

    # Points behind the backup are restored exactly, whatever became of the archive's pod meanwhile.
    place.sql("orders", "insert into orders.t values ()")
    place.kubectl("delete", "pods", "-l", "databases.pilothouse.dev/task=archive", "--grace-period=0", "--force")
    place.sql("orders", "insert into orders.t values ()")
    point, expected = place.sql("orders", "select @@gtid_binlog_pos"), place.sql("orders", "select group_concat(a) from orders.t")
    place.sql("orders", "insert into orders.t values (); drop table orders.t")
    place.condition("mysql/orders", "Archiving", "True")
    place.apply("MySQL", "copy", **SMALL, restore={"instance": "orders", "gtid": point})
    eventually(lambda: place.kubectl("get", "mysql", "copy", "-o", "jsonpath={.status.phase}") == "Online", 240, 1)
    assert place.sql("copy", "select group_concat(a) from orders.t") == expected
    assert point in place.condition("mysql/copy", "Restored", "True")

    # A byte that changes in the store is found.
    change = "import pathlib; p = next(pathlib.Path('/store').rglob('backups/first*/data')); b = bytearray(p.read_bytes()); "
    change += "b[len(b) // 2] ^= 1; p.write_bytes(b)"
    place.kubectl("exec", "deploy/orders-archive", "--", "python3", "-c", change)
    place.patch("backup", "first", verifyAt="2026-12-01T00:00:00Z")
    assert "has been changed or cut off" in place.condition("backup/first", "Verified", "False")

    # A deleted instance leaves a last backup, and a deleted backup nothing in the store.
    place.patch("mysql", "orders", deletionProtection=False)
    place.kubectl("delete", "mysql", "orders", "--timeout=240s")
    names = place.kubectl("get", "backups", "-l", "databases.pilothouse.dev/final=yes", "-o", "name").split()
    assert len(names) == 1
    assert place.kubectl("get", names[0], "-o", "jsonpath={.status.phase}") == "Succeeded"
    place.kubectl("delete", names[0], "backup/first", "--timeout=120s")
    place.patch("mysql", "copy", deletionProtection=False, finalBackup=False)
    place.kubectl("delete", "mysql", "copy", "--timeout=120s")
    eventually(lambda: json.loads(place.kubectl("get", "jobs,pods", "-o", "json"))["items"] == [], 60, 1)
