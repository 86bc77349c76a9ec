"""The life of one database with a single member, in real containers."""

import base64
import json
import subprocess
from typing import Any

import pytest

from tests.e2e.instance import Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
IMAGE_S = 600
"""For the image, which is made once on a machine and then for nobody again."""


class Database:
    def __init__(self, instance: Instance, namespace: str, name: str) -> None:
        self.instance = instance
        self.namespace = namespace
        self.name = name

    def apply(self, **spec: Any) -> None:
        made = {"apiVersion": "databases.pilothouse.dev/v1", "kind": "MySQL", "metadata": {"name": self.name}, "spec": spec}
        self.instance.kubectl("apply", "-n", self.namespace, "-f", "-", input=json.dumps(made))

    def patch(self, **spec: Any) -> None:
        self.instance.kubectl("patch", "mysql", self.name, "-n", self.namespace, "--type", "merge", "-p", json.dumps({"spec": spec}))

    def reaches(self, path: str, value: str, timeout_s: int = 60) -> None:
        condition = f"--for=jsonpath={{{path}}}={value}"
        wait = ("wait", f"mysql/{self.name}", "-n", self.namespace, condition, f"--timeout={timeout_s}s")
        self.instance.kubectl(*wait, timeout=timeout_s + 10)

    def sql(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Over the Service, as the instance's own account; the password goes by standard input."""
        secret = self.instance.get("secret", self.name, "-n", self.namespace)["data"]
        password, host, user = (base64.b64decode(secret[key]).decode() for key in ("password", "host", "username"))
        client = ["mariadb", "--defaults-extra-file=/dev/stdin", "--protocol=tcp", "-h", host, "-u", user, "--connect-timeout=3"]
        client += options or ("--ssl-ca=/tls/ca.crt", "--ssl-verify-server-cert")
        exec_ = ("exec", "-i", f"{self.name}-0", "-n", self.namespace, "-c", "agent", "--", *client, "-Ne", text)
        return self.instance.kubectl(*exec_, input=f"[client]\npassword={password}\n", check=False)

    def pod_uid(self) -> str:
        return str(self.instance.get("pod", f"{self.name}-0", "-n", self.namespace)["metadata"]["uid"])


def test_a_database_answers_survives_its_server_is_suspended_grows_and_goes(instance: Instance, namespace: str) -> None:
    database = Database(instance, namespace, "orders")
    database.apply(size="512Mi")
    database.reaches(".status.phase", "Online", IMAGE_S)
    made = database.sql("create table t (a int primary key); insert into t values (1); show status like 'ssl_cipher'", *_IN_TLS)
    assert made.returncode == 0, made.stderr
    assert "TLS" in made.stdout
    assert "Access denied" in database.sql("select 1", "--skip-ssl").stderr

    uid = database.pod_uid()
    kill = ("sh", "-c", "kill -9 $(cat /run/database/server.pid)")
    instance.kubectl("exec", "orders-0", "-n", namespace, "-c", "database", "--", *kill)
    eventually(lambda: database.sql("insert into orders.t select max(a) + 1 from orders.t").returncode == 0, 30, 0.5)
    assert database.pod_uid() == uid

    database.patch(resources={"cpu": "600m", "memory": "640Mi"}, size="640Mi")
    eventually(lambda: int(database.sql("select @@innodb_buffer_pool_size").stdout or 0) > 300 << 20, 30, 0.5)
    eventually(lambda: instance.get("pvc", "data-orders-0", "-n", namespace)["status"]["capacity"]["storage"] == "640Mi", 60, 0.5)
    assert database.pod_uid() == uid

    database.patch(suspended=True)
    database.reaches(".status.phase", "Suspended")
    assert instance.get("pods", "-n", namespace)["items"] == []
    database.patch(suspended=False)
    database.reaches(".status.phase", "Online")
    assert database.sql("select count(*) from orders.t").stdout.strip() == "2"

    instance.kubectl("delete", "mysql", "orders", "-n", namespace, "--cascade=foreground", "--wait=false")
    database.reaches('.status.conditions[?(@.type=="Deleting")].reason', "Protected")
    assert database.sql("select count(*) from orders.t").stdout.strip() == "2"
    database.patch(deletionProtection=False, finalBackup=False)
    instance.kubectl("wait", "mysql/orders", "-n", namespace, "--for=delete", "--timeout=60s")
    assert instance.get("pods,pvc,secrets,services,statefulsets", "-n", namespace)["items"] == []


_IN_TLS = ("--ssl-ca=/tls/ca.crt", "--ssl-verify-server-cert", "-D", "orders")
