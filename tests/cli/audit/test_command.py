"""`ph audit` and `ph audit-policy`, as somebody at a shell uses them."""

import json
import os
import re
from pathlib import Path

import pytest

from pilothouse.cli.audit.wanted import Wanted, row
from pilothouse.cli.settings.home import Home, Settings
from tests.cli.audit.log import Log, event
from tests.cli.test_completion import completed
from tests.cli.test_ending import ph

ANNA = event("anna", "delete", "deployments.apps shop web", 200, ago_s=60)
BOB = event("bob", "create", "secrets team db", 403, ago_s=50)
EXEC = event("anna", "get", "pods/exec shop web-1", 101, ago_s=40, stage="ResponseStarted")
PART = event("system:kube-scheduler", "create", "pods/binding shop web-2", 201, ago_s=30)
OLD = event("anna", "create", "namespaces - shop", 201, ago_s=7 * 86400)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Settings(node_name="n").save(Home(tmp_path))
    log = Log(tmp_path)
    log.add(OLD, ANNA, BOB)
    log.rotate(compress=True)
    log.add(EXEC, PART, event("anna", "list", "pods shop -", stage="RequestReceived"))
    return tmp_path


def asked(home: Path, *options: str) -> list[str]:
    """The second and third column of the table."""
    done = ph("--home", str(home), "audit", *options)
    assert done.returncode == 0, done.stderr
    return [" ".join(line.split()[1:3]) for line in done.stdout.splitlines()[1:]]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], ["anna delete", "bob create", "anna get", "system:kube-scheduler create"]),
        (["--people"], ["anna delete", "bob create", "anna get"]),
        (["--user", "anna"], ["anna delete", "anna get"]),
        (["--user", "anna", "--user", "bob", "--verb", "create"], ["bob create"]),
        (["--user", "anna", "--since", "30d"], ["anna create", "anna delete", "anna get"]),
        (["-n", "team"], ["bob create"]),
        (["--resource", "deployments", "--name", "web"], ["anna delete"]),
        (["--resource", "deployment.apps"], ["anna delete"]),
        (["--resource", "pods/exec"], ["anna get"]),
        (["--resource", "pods", "--limit", "1"], ["system:kube-scheduler create"]),
        (["--failed"], ["bob create"]),
    ],
    ids=" ".join,
)
def test_events_are_found_by_what_was_done(home: Path, options: list[str], shown: list[str]) -> None:
    assert asked(home, *options) == shown


@pytest.mark.parametrize("options", [["--verb", "nosuch"], ["--resource", "nosuch", "-o", "json"]], ids=" ".join)
def test_that_nothing_matches_is_said_with_where_to_look(home: Path, options: list[str]) -> None:
    done = ph("--home", str(home), "audit", *options)
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"nothing that is recorded matches; `.*ph --home \S+ audit-policy show` prints what is recorded\n", done.stderr)
    assert ph("--home", str(home), "audit").stderr == ""


def test_a_line_says_who_did_what_to_what(home: Path) -> None:
    line = ph("--home", str(home), "audit", "--user", "anna", "--verb", "delete").stdout.splitlines()[1]
    assert line.split()[1:] == ["anna", "delete", "deployments.apps", "web", "-n", "shop", "200", "10.0.0.1"]


def test_json_is_a_whole_event_a_line(home: Path) -> None:
    lines = ph("--home", str(home), "audit", "-o", "json").stdout.splitlines()
    assert [json.loads(line)["stage"] for line in lines][-1] == "RequestReceived"
    assert json.loads(lines[0]) == ANNA


def test_what_a_client_chose_cannot_command_a_terminal() -> None:
    shown = row(event("anna", "get", "pods shop a\x1b[2Jb"))
    assert "\x1b" not in "".join(shown)


@pytest.mark.parametrize("damaged", [{}, {"user": None, "objectRef": None, "responseStatus": None}, {"stageTimestamp": 7}])
def test_an_event_that_lacks_fields_is_shown_all_the_same(damaged: dict[str, object]) -> None:
    assert len(row(damaged)) == 6
    assert Wanted().matches(damaged)


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["audit", "--user", "a"], ["anna"]),
        (["audit", "--resource", ""], ["pods"]),
        (["audit", "--people", "-n", "s"], ["shop"]),
    ],
)
def test_values_are_completed_from_the_log(home: Path, words: list[str], offers: list[str]) -> None:
    assert completed(*words, home=home) == offers


@pytest.mark.parametrize(
    ("settings", "said"), [(None, "there is no cluster at"), ({"audit_mode": "off"}, 'nothing is recorded, since `audit_mode` is "off"')]
)
def test_a_log_that_is_not_there_is_explained(tmp_path: Path, settings: dict[str, str] | None, said: str) -> None:
    if settings is not None:
        Settings(node_name="n", **settings).save(Home(tmp_path))  # type: ignore[arg-type]
    done = ph("--home", str(tmp_path), "audit")
    assert (done.returncode, said in done.stderr) == (1, True)


def test_another_cluster_has_no_log_here(tmp_path: Path) -> None:
    for command in (["audit"], ["audit-policy", "show"]):
        done = ph("--home", str(tmp_path), "--kubeconfig", "/other", *command)
        assert (done.returncode, "leave --kubeconfig out" in done.stderr) == (2, True)


def test_the_policy_is_shown_set_and_reset(home: Path) -> None:
    command = ("--home", str(home), "audit-policy")
    default = ph(*command, "show").stdout
    (home / "mine.yaml").write_text(default.replace("omitStages: [RequestReceived]\n", ""))
    assert "within seconds" not in (done := ph(*command, "set", str(home / "mine.yaml"))).stdout
    assert done.stdout.startswith(f"{home}/audit-policy.yaml (")
    assert ph(*command, "show").stdout == (home / "mine.yaml").read_text() != default
    assert (home / "audit-policy.yaml").stat().st_mode & 0o777 == 0o600
    assert ph(*command, "reset").returncode == 0
    assert ph(*command, "show").stdout == default


def test_a_policy_that_is_not_valid_changes_nothing(home: Path) -> None:
    (home / "mine.yaml").write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]\n")
    done = ph("--home", str(home), "audit-policy", "set", str(home / "mine.yaml"))
    assert (done.returncode, "nothing is changed: rules[0].level cannot be 'All'" in done.stderr) == (1, True)
    assert not (home / "audit-policy.yaml").exists()


def test_a_policy_that_an_editor_has_broken_is_shown_and_said_not_to_count(home: Path) -> None:
    (home / "audit-policy.yaml").write_text("rules: [\n")
    done = ph("--home", str(home), "audit-policy", "show")
    assert (done.returncode, done.stdout) == (0, "rules: [\n")
    assert done.stderr.startswith(
        f"nothing is recorded by this file: the audit policy {home}/audit-policy.yaml is not valid: it is no YAML"
    )
    assert "repair the file, or remove it, and the default policy holds" in done.stderr


def test_a_policy_that_is_not_there_is_named(home: Path) -> None:
    done = ph("--home", str(home), "audit-policy", "set", str(home / "none.yaml"))
    assert (done.returncode, f"{home}/none.yaml: no such file" in done.stderr) == (1, True)
    assert os.listdir(home / "log" / "audit")


@pytest.mark.parametrize("user", ["system:anonymous", "system:bootstrap:abcdef", "system:serviceaccount:shop:deployer", ""])
def test_strangers_and_accounts_of_others_are_no_parts_of_the_cluster(home: Path, user: str) -> None:
    Log(home).add(event(user, "delete", "pods shop web-1", 403))
    assert asked(home, "--people")[-1].endswith("delete")


@pytest.mark.parametrize("user", ["system:node:n", "system:serviceaccount:kube-system:x", "system:gateway"])
def test_the_clusters_own_parts_are_left_out_on_request(home: Path, user: str) -> None:
    Log(home).add(event(user, "delete", "pods shop web-1", 403))
    assert asked(home, "--people")[-1] == "anna get"
