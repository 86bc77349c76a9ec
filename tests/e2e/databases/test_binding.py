"""An app is bound to a database, its password is rotated, and it is unbound, in real containers with a real server."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.databases.test_single import IMAGE_S, Database
from tests.e2e.instance import BIN, Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1200)]
CLIENT = " ".join(
    (
        *("mariadb", "--protocol=tcp", '-h "$ORDERS_HOST"', '-P "$ORDERS_PORT"', '-u "$ORDERS_USER"', '-D "$ORDERS_DATABASE"'),
        *("--ssl-ca=/tmp/ca.pem", "--ssl-verify-server-cert", "--connect-timeout=3", "-Ne"),
    )
)
WORK = f"""
export MYSQL_PWD="$ORDERS_PASSWORD"
printf %s "$ORDERS_CA" > /tmp/ca.pem
trap "exit 0" TERM
while sleep 0.2; do
  [ -z "$ORDERS_URL" ] || {CLIENT} 'select 1' > /dev/null || echo FAILED
done
"""
"""Signs in five times a second, as its variables say, and prints a line for each time that fails."""


class App:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.instance, self.namespace = database.instance, database.namespace

    def deploy(self) -> None:
        image = self.instance.get("mysql", self.database.name, "-n", self.namespace)["status"]["image"]
        spec = {"image": image, "port": 0, "command": ["sh", "-c", WORK]}
        made = {"apiVersion": "apps.pilothouse.dev/v1", "kind": "App", "metadata": {"name": "shop"}, "spec": spec}
        self.instance.kubectl("apply", "-n", self.namespace, "-f", "-", input=json.dumps(made))
        self.instance.kubectl("wait", "app/shop", "-n", self.namespace, "--for=condition=Ready", "--timeout=120s", timeout=130)

    def pod(self) -> str:
        pods = self.instance.get("pods", "-n", self.namespace, "-l", "apps.pilothouse.dev/app=shop")["items"]
        names = [each["metadata"]["name"] for each in pods if not each["metadata"].get("deletionTimestamp")]
        assert len(names) == 1, names
        return str(names[0])

    def runs(self, script: str, pod: str = "") -> subprocess.CompletedProcess[str]:
        return self.instance.kubectl("exec", pod or self.pod(), "-n", self.namespace, "--", "sh", "-c", script, check=False)

    def sql(self, text: str, password: str = "$ORDERS_PASSWORD") -> subprocess.CompletedProcess[str]:
        return self.runs(f"MYSQL_PWD=\"{password}\" {CLIENT} '{text}'")

    def ph(self, *words: str) -> str:
        return self.instance.ph(*words, "-n", self.namespace).stdout

    @contextmanager
    def printed(self) -> Iterator[list[str]]:
        """What the pod that runs now prints from here until it ends."""
        home = ("--home", str(self.instance.home))
        command = [str(BIN / "ph"), *home, "kubectl", "logs", "-f", self.pod(), "-n", self.namespace, "--since=1s"]
        found: list[str] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
            try:
                yield found
            except BaseException:
                following.kill()
                raise
            found += following.communicate(timeout=120)[0].splitlines()


def test_an_app_is_bound_rotated_and_unbound_without_a_failed_login(instance: Instance, namespace: str) -> None:
    database = Database(instance, namespace, "orders")
    database.apply(size="512Mi", deletionProtection=False, finalBackup=False)
    database.reaches(".status.phase", "Online", IMAGE_S)
    app = App(database)
    app.deploy()
    stranger = _reaches(app, "orders", 3306)
    assert "ORDERS_URL" in app.ph("bind", "shop", "orders")

    assert (stranger, _reaches(app, "orders", 3306), _reaches(app, "orders-0.orders-members", 8443)) == (False, True, False)
    done = app.sql('create table t (a int primary key); insert into t values (1); show status like "ssl_cipher"')
    assert done.returncode == 0, done.stderr
    assert "TLS" in done.stdout
    plain = app.runs(
        f"MYSQL_PWD=$ORDERS_PASSWORD {CLIENT.replace('--ssl-ca=/tmp/ca.pem --ssl-verify-server-cert', '--skip-ssl')} 'select 1'"
    )
    assert plain.returncode != 0
    assert app.sql("select * from mysql.global_priv").returncode != 0

    old = app.runs('printf %s "$ORDERS_PASSWORD"').stdout
    with app.printed() as first:
        begun = time.monotonic()
        instance.kubectl(
            "patch", "bind", "shop-orders", "-n", namespace, "--type=merge", "-p", '{"spec":{"rotatedAt":"2026-11-30T12:00:00Z"}}'
        )
        rotated = "--for=jsonpath={.status.rotatedAt}=2026-11-30T12:00:00Z"
        instance.kubectl("wait", "bind/shop-orders", "-n", namespace, rotated, "--timeout=120s", timeout=130)
    assert first == []
    new = app.runs('printf %s "$ORDERS_PASSWORD"').stdout
    assert new != old
    assert [app.sql("select 1", each).returncode for each in (old, new)] == [0, 0]
    eventually(lambda: app.sql("select 1", old).returncode != 0, 120, 1)
    assert time.monotonic() - begun > 60
    assert app.sql("select 1", new).returncode == 0

    with app.printed() as second:
        assert "what it has stored stays" in app.ph("unbind", "shop", "orders")
    assert second == []
    assert app.runs('printf %s "$ORDERS_URL"').stdout == ""
    eventually(lambda: instance.get("mysqlusers,bind", "-n", namespace)["items"] == [], 120, 1)
    assert database.sql("select count(*) from orders.t").stdout.strip() == "1"
    assert database.sql('select 1 from information_schema.user_privileges where grantee like "%shop-orders%"').stdout == ""
    assert not _reaches(app, "orders", 3306)


def _reaches(app: App, host: str, port: int) -> bool:
    script = f"import socket; socket.create_connection(('{host}', {port}), 3)"
    return app.runs(f'python3 -c "{script}"').returncode == 0
