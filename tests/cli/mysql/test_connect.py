"""How a password comes to the client: through standard input and a descriptor, in no argument and no file that stays."""

import subprocess
from pathlib import Path

import pytest

from pilothouse.cli.mysql.connect import KEEP, TALK, chosen, options, usable
from pilothouse.model.json import Object

PASSWORD = "a b\\c\"d'#e$f\n\tg"
SHOW = (
    '#!/bin/sh\nfor each in "$@"; do echo "argument $each"; done\ncat /proc/$$/environ | tr "\\0" "\\n"\ncat "${1#--defaults-file=}"\ncat\n'
)


def run(*words: str, given: str = "") -> str:
    return subprocess.run(words, input=given, capture_output=True, text=True, check=True, timeout=10, env={"PATH": "/usr/bin:/bin"}).stdout


def test_the_file_is_gone_before_the_client_runs_and_the_client_reads_it_still(tmp_path: Path) -> None:
    kept, program = tmp_path / "client.cnf", tmp_path / "program"
    program.write_text(SHOW)
    program.chmod(0o755)
    run("/bin/sh", "-c", KEEP, "sh", str(kept), given="[client]\npassword=secret\n")
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("[client]\npassword=secret\n", 0o600)
    said = run("/bin/sh", "-c", TALK, "sh", str(kept), str(program), "--execute", "SELECT 1; $(x)", given="piped\n")
    assert not kept.exists()
    arguments = [line for line in said.splitlines() if line.startswith("argument ")]
    assert arguments == ["argument --defaults-file=/dev/fd/3", "argument --execute", "argument SELECT 1; $(x)"]
    assert said.count("secret") == 1
    assert said.endswith("[client]\npassword=secret\npiped\n")


@pytest.mark.parametrize("password", ["plain", PASSWORD, "'", '"', "\\", " x ", "#", "é"])
def test_every_password_is_read_as_it_was_written(tmp_path: Path, password: str) -> None:
    """By the program with which the server's own packages read such files."""
    file = tmp_path / "client.cnf"
    file.write_text(options("orders", password, "orders", "mariadb"))
    said = run("my_print_defaults", f"--defaults-file={file}", "client")
    assert said.partition("--password=")[2].removesuffix("\n") == password


def test_what_a_client_is_told_by_flavour() -> None:
    assert "\nssl\n" in options("u", "p", "d", "mariadb")
    assert "\nssl-mode=VERIFY_CA\n" in options("u", "p", "", "mysql")
    assert "database" not in options("u", "p", "", "mysql")
    assert "\ndefault-character-set=utf8mb4\n" in options("u", "p", "d", "mariadb")


def test_the_member_is_the_primary_or_the_nearest_replica() -> None:
    members = [
        {"name": "orders-0", "role": "primary", "ready": True},
        {"name": "orders-1", "role": "replica", "ready": True, "lagSeconds": 3.0},
        {"name": "orders-2", "role": "replica", "ready": True, "lagSeconds": 0.1},
        {"name": "orders-3", "role": "replica", "ready": False, "lagSeconds": 0.0},
    ]
    instance: Object = {"metadata": {"name": "orders"}, "spec": {}, "status": {"primary": "orders-0", "members": members}}
    assert [chosen(instance, None, read=False), chosen(instance, None, read=True), chosen(instance, "orders-3", read=False)] == [
        "orders-0",
        "orders-2",
        "orders-3",
    ]
    alone = instance | {"status": {"primary": "orders-0", "members": members[:1]}}
    assert chosen(alone, None, read=True) == "orders-0"


@pytest.mark.parametrize(
    ("targets", "database"),
    [([], ""), (["*"], "my_orders"), (["stock.items", "*"], "stock"), (["stock"], "stock")],
)
def test_an_account_begins_in_the_first_database_that_it_may_use(targets: list[str], database: str) -> None:
    grants = [{"privileges": ["SELECT"], "target": each} for each in targets]
    assert usable({"spec": {"grants": grants}}, "my-orders") == database
