"""From source to a URL and back, with real builds and real containers."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import BIN, Instance, eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
GUESTBOOK = Path(__file__).parents[2] / "examples" / "guestbook"


@pytest.fixture(scope="module")
def guestbook(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example, deployed as `guestbook`; returns a copy of its source to change."""
    source = tmp_path_factory.mktemp("source") / "guestbook"
    shutil.copytree(GUESTBOOK, source)
    instance.ph("deploy", str(source), timeout=500)
    yield source
    instance.ph("delete", "guestbook", "--yes")


def test_a_source_tree_becomes_a_url(instance: Instance, guestbook: Path) -> None:
    url = instance.ph("open", "guestbook", "--print").stdout.strip()
    assert url == f"http://guestbook.localhost:{instance.http_port}"
    status, body = instance.fetch("guestbook.localhost")
    assert status == 200
    assert b"<form" in body


def test_deploying_the_same_again_changes_nothing_and_is_quick(instance: Instance, guestbook: Path) -> None:
    before = instance.get("deployment", "guestbook")["metadata"]["generation"]
    begun = time.monotonic()
    instance.ph("deploy", str(guestbook))
    assert time.monotonic() - begun < 5
    assert instance.get("deployment", "guestbook")["metadata"]["generation"] == before


def test_logs_exec_and_scale_work_on_an_app(instance: Instance, guestbook: Path) -> None:
    instance.fetch("guestbook.localhost", "/healthz")
    assert instance.ph("logs", "guestbook").stdout
    assert instance.ph("exec", "guestbook", "echo", "from inside").stdout == "from inside\n"
    assert instance.ph("exec", "guestbook", "sh", "-c", "exit 3", check=False).returncode == 3
    assert "2 replicas" in instance.ph("scale", "guestbook=2").stdout
    apps = json.loads(instance.ph("apps", "-o", "json").stdout)
    assert [a["status"]["readyReplicas"] for a in apps if a["metadata"]["name"] == "guestbook"] == [2]


def test_a_rolling_update_under_load_fails_no_request(instance: Instance, guestbook: Path) -> None:
    """The app has no preStop hook and ends at once at SIGTERM: what protects its users is that it is forgotten first."""
    instance.ph("scale", "guestbook=2")
    load = subprocess.Popen(
        ["wrk", "-t1", "-c8", "-d200s", "-H", "Host: guestbook.localhost", f"http://127.0.0.1:{instance.http_port}/healthz"],
        stdout=subprocess.PIPE,
        text=True,
    )
    for number in range(3):
        instance.ph("deploy", str(guestbook), "--env", f"ROUND={number}")
    load.send_signal(signal.SIGINT)  # it reports what there was so far
    report, _ = load.communicate(timeout=60)
    assert "Requests/sec" in report
    assert "Non-2xx" not in report, report
    assert "Socket errors" not in report, report


def test_a_failed_build_names_the_line_and_leaves_the_running_revision_alone(instance: Instance, guestbook: Path, tmp_path: Path) -> None:
    broken = tmp_path / "guestbook"
    shutil.copytree(guestbook, broken)
    lines = (broken / "Dockerfile").read_text().splitlines()
    (broken / "Dockerfile").write_text("\n".join([*lines, "RUN echo about to fail && ls /no-such-file"]) + "\n")
    failed = instance.ph("deploy", str(broken), "--yes", check=False)
    assert failed.returncode == 1
    assert f"Dockerfile line {len(lines) + 1}" in failed.stderr
    assert "no-such-file" in failed.stderr.splitlines()[-1]
    again = instance.ph("deploy", str(broken), "--yes", check=False)
    assert again.returncode == 1
    assert "about to fail" in again.stderr, "it was not built again"
    assert instance.fetch("guestbook.localhost", "/healthz")[0] == 200
    why = instance.ph("why", "guestbook").stdout
    assert f"Dockerfile line {len(lines) + 1}" in why
    instance.ph("deploy", str(guestbook), "--yes")


@pytest.mark.slow
def test_rollback_goes_back_without_a_build(instance: Instance, guestbook: Path) -> None:
    instance.ph("deploy", str(guestbook), "--env", "GREETING=Good evening")
    assert b"Good evening" in instance.fetch("guestbook.localhost")[1]
    builds = len(instance.get("builds")["items"])
    instance.ph("rollback", "guestbook")
    assert b"Good evening" not in instance.fetch("guestbook.localhost")[1]
    assert len(instance.get("builds")["items"]) == builds


def test_an_interrupted_deploy_leaves_everything_as_it_was(instance: Instance, guestbook: Path, tmp_path: Path) -> None:
    slow = tmp_path / "guestbook"
    shutil.copytree(guestbook, slow)
    with (slow / "Dockerfile").open("a") as file:
        file.write("RUN sleep 120\n")
    before = instance.get("app", "guestbook")["spec"]
    process = subprocess.Popen(
        [str(BIN / "ph"), "--home", str(instance.home), "deploy", str(slow), "--yes"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "sleep 120" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert instance.get("app", "guestbook")["spec"] == before
    eventually(lambda: not [b for b in instance.get("builds")["items"] if b["status"]["phase"] in ("Pending", "Running")])
    assert instance.fetch("guestbook.localhost", "/healthz")[0] == 200


def test_secrets_reach_the_app_and_no_process_list(instance: Instance, guestbook: Path) -> None:
    instance.ph("deploy", str(guestbook), "--secret", "GREETING=from a secret")
    assert b"from a secret" in instance.fetch("guestbook.localhost")[1]
    assert "from a secret" not in json.dumps(instance.get("app", "guestbook"))


@pytest.mark.slow
def test_a_changed_secret_reaches_the_app_and_a_rollback_brings_it_back(instance: Instance, guestbook: Path) -> None:
    for value in ("first value", "second value"):
        instance.ph("deploy", str(guestbook), "--secret", f"GREETING={value}")
        assert value.encode() in instance.fetch("guestbook.localhost")[1]
    instance.ph("rollback", "guestbook")
    assert b"first value" in instance.fetch("guestbook.localhost")[1]
    instance.ph("env", "unset", "guestbook", "GREETING")
    assert b"value" not in instance.fetch("guestbook.localhost")[1]
    assert "GREETING" not in instance.ph("env", "list", "guestbook").stdout


def test_a_restart_replaces_the_replicas_and_changes_nothing_else(instance: Instance, guestbook: Path) -> None:
    before = instance.get("app", "guestbook")["status"]["revision"]
    pods = instance.ph("kubectl", "get", "pods", "-l", "apps.pilothouse.dev/app=guestbook", "-o", "name").stdout
    instance.ph("restart", "guestbook")
    assert instance.ph("kubectl", "get", "pods", "-l", "apps.pilothouse.dev/app=guestbook", "-o", "name").stdout != pods
    assert instance.get("app", "guestbook")["status"]["revision"] == before


@pytest.mark.slow
def test_a_procfile_runs_its_processes_and_a_failing_release_stops_the_deploy(instance: Instance, tmp_path: Path) -> None:
    tree = tmp_path / "several"
    tree.mkdir()
    (tree / "Dockerfile").write_text("FROM python:3-slim\nCOPY . /app\nWORKDIR /app\nEXPOSE 9000\n")
    lines = ["web: python -m http.server $PORT", "worker: while true; do echo working; sleep 1; done"]
    lines.append('release: echo migrating && test -z "$BREAK"')
    (tree / "Procfile").write_text("\n".join(lines) + "\n")
    instance.ph("deploy", str(tree), timeout=500)
    assert instance.fetch("several.localhost")[0] == 200
    assert "working" in eventually(lambda: instance.ph("logs", "several", "--process", "worker").stdout)
    assert "2 replicas" in instance.ph("scale", "several", "worker=2").stdout
    failed = instance.ph("env", "set", "several", "BREAK=1", check=False)
    assert failed.returncode == 1
    assert "migrating" in failed.stderr
    assert instance.fetch("several.localhost")[0] == 200
    assert instance.get("app", "several")["status"]["revision"] == 1
    instance.ph("delete", "several", "--yes")


@pytest.mark.slow
def test_an_app_without_web_runs_without_a_url(instance: Instance, tmp_path: Path) -> None:
    tree = tmp_path / "ticker"
    tree.mkdir()
    (tree / "Dockerfile").write_text("FROM python:3-slim\n")
    (tree / "Procfile").write_text("worker: while true; do echo tick; sleep 1; done\n")
    done = instance.ph("deploy", str(tree), timeout=500)
    assert (done.stdout, "ticker runs revision 1" in done.stderr) == ("", True)
    assert "tick" in eventually(lambda: instance.ph("logs", "ticker").stdout)
    instance.ph("delete", "ticker", "--yes")


@pytest.mark.slow
def test_what_a_dry_run_shows_can_be_applied(instance: Instance, guestbook: Path) -> None:
    shown = instance.ph("deploy", str(guestbook), "--name", "shown", "--dry-run").stdout
    assert "''" not in shown
    instance.kubectl("apply", "-f", "-", input=shown)
    instance.kubectl("wait", "app/shown", "--for=condition=Ready", "--timeout=200s")
    instance.ph("delete", "shown", "--yes")


def test_an_app_is_plain_yaml_too(instance: Instance, guestbook: Path, namespace: str) -> None:
    image = instance.get("app", "guestbook")["status"]["image"]
    manifest = {
        "apiVersion": "apps.pilothouse.dev/v1",
        "kind": "App",
        "metadata": {"name": "plain", "namespace": namespace},
        "spec": {"image": image, "port": 8080, "hosts": ["plain.example.test"]},
    }
    instance.kubectl("apply", "-f", "-", input=json.dumps(manifest))
    instance.kubectl("wait", "-n", namespace, "app/plain", "--for=condition=Ready", "--timeout=60s")
    assert instance.fetch("plain.example.test", "/healthz")[0] == 200


@pytest.mark.slow
def test_a_plain_python_project_needs_no_dockerfile(instance: Instance, tmp_path: Path) -> None:
    tree = tmp_path / "hello-flask"
    tree.mkdir()
    (tree / "requirements.txt").write_text("flask\n")
    (tree / "app.py").write_text(
        "from flask import Flask\napp = Flask(__name__)\n\n\n@app.get('/')\ndef hello():\n    return 'hello from flask'\n"
    )
    shown = instance.ph("deploy", str(tree), "--explain")
    assert "FROM python:" in shown.stdout
    assert "gunicorn" in shown.stdout
    instance.ph("deploy", str(tree), timeout=500)
    assert instance.fetch("hello-flask.localhost") == (200, b"hello from flask")
    instance.ph("delete", "hello-flask", "--yes")
    assert instance.fetch("hello-flask.localhost")[0] == 404


@pytest.mark.slow
def test_datasette_from_pypi_serves_a_database(instance: Instance, tmp_path: Path) -> None:
    """A web application that nobody here wrote: its pages and its JSON API."""
    import sqlite3

    tree = tmp_path / "fleet"
    tree.mkdir()
    with sqlite3.connect(tree / "fleet.db") as database:
        database.execute("create table ships (id integer primary key, name text)")
        database.executemany("insert into ships (name) values (?)", [("Fram",), ("Gjøa",), ("Maud",)])
    database.close()
    (tree / "Dockerfile").write_text(
        "FROM python:3-slim\n"
        "RUN pip install --no-cache-dir datasette\n"
        "COPY fleet.db /data/fleet.db\n"
        "EXPOSE 8001\n"
        'CMD ["datasette", "serve", "/data/fleet.db", "--host", "0.0.0.0", "--port", "8001"]\n'
    )
    instance.ph("deploy", str(tree), timeout=500)
    status, page = instance.fetch("fleet.localhost", "/fleet/ships")
    assert status == 200
    assert "Gjøa" in page.decode()
    status, answer = instance.fetch("fleet.localhost", "/fleet/ships.json?_shape=array")
    assert status == 200
    assert [row["name"] for row in json.loads(answer)] == ["Fram", "Gjøa", "Maud"]


@pytest.mark.slow
def test_a_git_url_is_deployed(instance: Instance, guestbook: Path, tmp_path: Path) -> None:
    """Cloned inside the cluster, from a branch named after #."""
    work, served = tmp_path / "work", tmp_path / "served"
    shutil.copytree(guestbook, work)
    for command in (
        ["init", "--quiet", "--initial-branch", "main", "."],
        ["add", "."],
        ["-c", "user.name=test", "-c", "user.email=test@example.test", "commit", "--quiet", "-m", "one"],
        ["branch", "release"],
    ):
        subprocess.run(["git", *command], cwd=work, check=True)
    served.mkdir()
    subprocess.run(["git", "clone", "--quiet", "--bare", str(work), str(served / "book.git")], check=True)
    (served / "book.git" / "git-daemon-export-ok").touch()
    port = str(17000 + instance.number)
    command = ["git", "daemon", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", f"--base-path={served}", str(served)]
    daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        eventually(
            lambda: (
                subprocess.run(["git", "ls-remote", f"git://127.0.0.1:{port}/book.git"], capture_output=True, check=False).returncode == 0
            )
        )
        address = f"git://127.0.0.1:{port}/book.git#release"
        instance.ph("deploy", address, "--name", "from-git", timeout=400)
        assert instance.fetch("from-git.localhost", "/healthz")[0] == 200
        _push(work, served / "book.git", "# pushed later")
        instance.ph("deploy", address, "--name", "from-git", timeout=400)
        assert "pushed later" in instance.ph("exec", "from-git", "cat", "app.py").stdout
        failed = instance.ph("deploy", f"git://127.0.0.1:{port}/none.git", "--name", "from-nowhere", check=False)
        assert failed.returncode == 1
        assert "none.git" in failed.stderr.splitlines()[-1]
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait()
    instance.ph("delete", "from-git", "--yes")


def _push(work: Path, bare: Path, text: str) -> None:
    """One more commit on the branch release, with a line more in app.py."""
    settings = ["-c", "user.name=test", "-c", "user.email=test@example.test"]
    subprocess.run(["git", "checkout", "--quiet", "release"], cwd=work, check=True)
    with (work / "app.py").open("a") as file:
        file.write(f"{text}\n")
    for command in (
        ["add", "."],
        ["commit", "--quiet", "-m", "two"],
        ["push", "--quiet", str(bare), "release"],
    ):
        subprocess.run(["git", *settings, *command], cwd=work, check=True)


def test_an_ingress_of_anyone_is_served_with_tls(instance: Instance, guestbook: Path, tmp_path: Path) -> None:
    subject = "/CN=shop.example.test"
    files = [str(tmp_path / "tls.key"), str(tmp_path / "tls.crt")]
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject]
    make = ["openssl", "req", "-x509", *options, "-addext", "subjectAltName=DNS:shop.example.test", "-keyout", files[0], "-out", files[1]]
    subprocess.run(make, check=True, capture_output=True)
    instance.kubectl("create", "secret", "tls", "shop-tls", f"--key={files[0]}", f"--cert={files[1]}")
    instance.kubectl("create", "ingress", "shop", "--rule=shop.example.test/*=guestbook:http,tls=shop-tls")
    context = ssl.create_default_context(cafile=files[1])

    def answer() -> bytes | None:
        try:
            raw = socket.create_connection(("127.0.0.1", instance.https_port), timeout=5)
            with raw, context.wrap_socket(raw, server_hostname="shop.example.test") as secured:
                connection = http.client.HTTPConnection("shop.example.test")
                connection.sock = secured
                connection.request("GET", "/healthz")
                response = connection.getresponse()
                return response.read() if response.status == 200 else None
        except OSError:
            return None

    assert eventually(answer) is not None
    instance.kubectl("delete", "ingress/shop", "secret/shop-tls")
