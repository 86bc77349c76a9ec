"""`ph mysql` on an instance in real containers, from its making to its end."""

import base64
import json
import subprocess

import pytest

from tests.cli.pseudo_terminal import PseudoTerminal
from tests.e2e.databases.test_single import IMAGE_S
from tests.e2e.instance import BIN, Instance

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
SECRETS_OF_PROCESSES = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"


class Commands:
    def __init__(self, instance: Instance, namespace: str) -> None:
        self._instance = instance
        self._namespace = namespace

    def argv(self, *words: str) -> list[str]:
        return [str(BIN / "ph"), "--home", str(self._instance.home), "mysql", *words, "-n", self._namespace]

    def __call__(self, *words: str, input: str = "", code: int = 0) -> str:
        """What it printed, and what it told where it failed."""
        done = subprocess.run(self.argv(*words), input=input, capture_output=True, text=True, check=False, timeout=IMAGE_S + 10)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def sql(self, text: str, *options: str) -> str:
        return self("connect", "orders", *options, "-e", text).partition("\n")[2].strip()


def test_an_instance_is_made_talked_to_changed_and_deleted_by_commands(instance: Instance, namespace: str) -> None:
    mysql = Commands(instance, namespace)
    assert f"host:     orders.{namespace}.svc:3306" in mysql(
        "create", "orders", "--size", "512Mi", "--cpu", "300m", "--timeout", str(IMAGE_S)
    )
    mysql("connect", "orders", input="CREATE TABLE items (a INT PRIMARY KEY); INSERT INTO items VALUES (1), (2);")
    assert mysql.sql("SELECT COUNT(*), DATABASE(), @@version_ssl_library IS NOT NULL FROM items").split() == ["2", "orders", "1"]
    assert mysql.sql("SELECT CURRENT_USER()", "--root") == "mysql@localhost"
    assert "You have an error in your SQL syntax" in mysql("connect", "orders", "-e", "SELEC", code=1)

    mysql("users", "add", "orders", "reports", "--grant", "SELECT", "--on", "orders")
    assert mysql.sql("SELECT COUNT(*) FROM orders.items", "--user", "reports") == "2"
    assert "command denied" in mysql("connect", "orders", "--user", "reports", "-e", "DELETE FROM orders.items", code=1)
    mysql("rotate", "orders")
    assert mysql.sql("SELECT 1") == "1"

    assert "640Mi of memory" in mysql("resize", "orders", "--memory", "640Mi")
    assert int(mysql.sql("SELECT @@innodb_buffer_pool_size")) > 300 << 20
    mysql("params", "set", "orders", "max_connections=77")
    assert mysql.sql("SELECT @@max_connections") == "77"

    mysql.sql("SELECT SLEEP(1.1)")
    assert "SLEEP(1.1)" in mysql("logs", "orders", "--slow")
    assert "ready for connections" in mysql("logs", "orders")
    assert json.loads(mysql("metrics", "orders", "-o", "json"))["orders-0"]

    assert mysql("suspend", "orders") == "orders is suspended\n"
    assert mysql("resume", "orders") == "orders answers\n"
    assert "is protected" in mysql("delete", "orders", "--yes", code=1)
    mysql("protect", "orders", "--off")
    assert mysql("delete", "orders", "--yes", "--no-final-backup") == "orders is deleted\n"
    assert "no instances yet" in subprocess.run(mysql.argv("list"), capture_output=True, text=True, check=True).stderr


def test_a_person_talks_sql_at_a_terminal_and_no_process_shows_the_password(instance: Instance, namespace: str) -> None:
    mysql = Commands(instance, namespace)
    mysql("create", "orders", "--size", "512Mi", "--cpu", "300m", "--no-protection", "--timeout", str(IMAGE_S))
    with PseudoTerminal(*mysql.argv("connect", "orders")) as terminal:
        terminal.until("MariaDB [orders]>")
        terminal.type("SELECT 41 + 1 AS answer;\n")
        terminal.until("    42 |")
        inside = ("exec", "orders-0", "-n", namespace, "-c", "database", "--", "sh", "-c")
        seen = instance.kubectl(*inside, f"{SECRETS_OF_PROCESSES}; ls /run/database").stdout
        password = mysql_password(instance, namespace)
        assert "--defaults-file=/dev/fd/3" in seen
        assert password not in seen
        assert "client-" not in seen
        terminal.type("exit\n")
        assert terminal.end() == 0
    mysql("delete", "orders", "--yes", "--no-final-backup")


def mysql_password(instance: Instance, namespace: str) -> str:
    return base64.b64decode(instance.get("secret", "orders", "-n", namespace)["data"]["password"]).decode()
