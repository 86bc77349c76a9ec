"""The program of a build's source container, run as it runs there: the archive alone, in an isolated Python."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path

import pytest

from pilothouse.platform import builds
from pilothouse.platform.builds.bundle import bundle
from tests.platform.builds.git.server import Repository, served


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "workspace/source").mkdir(parents=True)
    (tmp_path / "build.pyz").write_bytes(bundle())
    return tmp_path / "workspace"


def ran(workspace: Path, step: str, variables: Mapping[str, str]) -> tuple[int, str, str]:
    """(exit status, log, termination message)."""
    message = workspace.parent / "message"
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(workspace.parent),
        "WORKSPACE": str(workspace),
        "TERMINATION": str(message),
        **variables,
    }
    command = [sys.executable, "-I", str(workspace.parent / "build.pyz"), step]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stdout + done.stderr, message.read_text() if message.exists() else ""


def test_a_repository_is_cloned_and_its_commit_is_said(workspace: Path, tmp_path: Path) -> None:
    commit = Repository(tmp_path).commit({"app.py": "1"})
    with served(tmp_path) as root:
        status, log, _ = ran(workspace, "clone", {"GIT_URL": f"{root}/shop.git", "GIT_REVISION": "main"})
    assert status == 0
    assert f"the source is commit {commit}" in log
    assert (workspace / "source/app.py").read_text() == "1"


def test_a_failed_clone_leaves_its_reason(workspace: Path) -> None:
    status, _, message = ran(workspace, "clone", {"GIT_URL": "http://127.0.0.1:9/shop.git"})
    assert (status, message) == (1, "http://127.0.0.1:9/shop.git cannot be reached: nothing answers there")


def test_the_secret_opens_a_private_repository_and_shows_nowhere(workspace: Path, tmp_path: Path) -> None:
    Repository(tmp_path).commit({"app.py": "1"})
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "password").write_text("t0ken\n")
    with served(tmp_path, "t0ken") as root:
        given = {"GIT_URL": f"{root}/shop.git", "GIT_SECRET": str(secret)}
        status, log, _ = ran(workspace, "clone", given)
    assert (status, "t0ken" in log) == (0, False)


def test_a_password_in_the_url_opens_the_repository_and_shows_nowhere(workspace: Path, tmp_path: Path) -> None:
    Repository(tmp_path).commit({"app.py": "1"})
    with served(tmp_path, "t0ken") as root:
        for name, wanted in (("shop", 0), ("none", 1)):
            url = f"{root}/{name}.git".replace("://", "://git:t0ken@")
            status, log, message = ran(workspace, "clone", {"GIT_URL": url})
            assert (status, "t0ken" in log + message) == (wanted, False)
            shutil.rmtree(workspace / "source")
            (workspace / "source").mkdir()


def test_a_source_without_a_dockerfile_gets_one(workspace: Path) -> None:
    (workspace / "source/requirements.txt").write_text("flask\n")
    (workspace / "source/app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    (workspace / "source/Procfile").write_text("web: gunicorn app:app\nworker: python w.py\n")
    offer = json.dumps({"versions": {"python": ["3.13"]}, "exact": True})
    status, log, _ = ran(workspace, "detect", {"OFFER": offer})
    assert status == 0
    assert (workspace / "Dockerfile").read_text().startswith("FROM python:3.13-slim")
    assert "requirements.txt: its distributions are installed" in log
    assert "spec.processes: worker" in log


def test_a_source_that_is_nothing_known_leaves_the_reason(workspace: Path) -> None:
    (workspace / "source/notes.txt").write_text("")
    status, _, message = ran(workspace, "detect", {})
    assert status == 1
    assert message.startswith("the source has no Dockerfile and is no project of a kind that is known here")


def sourced(workspace: Path, tree: Path, **variables: str) -> tuple[int, str]:
    """(exit status, termination message) of the whole first container, over an uploaded tree."""
    message = workspace.parent / "message"
    archive = workspace.parent / "source.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", tree, "."], check=True, timeout=50)
    given = {"GIT_URL": "", "SOURCE_URL": archive.as_uri(), "CONTEXT": "", "INLINE": "", "DOCKERFILE": "Dockerfile"} | variables
    own = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "WORKSPACE": str(workspace), "TERMINATION": str(message)}
    script = resources.files(builds).joinpath("source.sh").read_text()
    environ = {**own, **given, "PROGRAM": str(workspace.parent / "build.pyz")}
    done = subprocess.run(["/bin/sh", "-c", script, "source"], env=environ, capture_output=True, timeout=50, check=False)
    return done.returncode, message.read_text()


def test_an_uploaded_tree_is_prepared(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "tree/in").mkdir(parents=True)
    (tmp_path / "tree/in/Dockerfile").write_text("FROM debian:12\n")
    (tmp_path / "tree/link").symlink_to("in")
    assert sourced(workspace, tmp_path / "tree", CONTEXT="link") == (0, '{"bases": ["debian:12"]}')


@pytest.mark.parametrize("variables", [{"CONTEXT": "out"}, {"DOCKERFILE": "in/secret"}, {"CONTEXT": "a/../.."}])
def test_a_link_of_the_source_shows_no_file_of_the_builder(workspace: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "builder").mkdir()
    (tmp_path / "builder/secret").write_text("password")
    (tmp_path / "builder/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "tree/in").mkdir(parents=True)
    (tmp_path / "tree/out").symlink_to(tmp_path / "builder")
    (tmp_path / "tree/in/secret").symlink_to(tmp_path / "builder/secret")
    status, message = sourced(workspace, tmp_path / "tree", **variables)
    assert (status, "leads out of the source" in message, (workspace / "Dockerfile").exists()) == (1, True, False)


def test_the_source_is_fetched_past_the_proxies_of_the_environment(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/Dockerfile").write_text("FROM debian:12\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/source.tar.gz"
        found = sourced(workspace, tmp_path / "tree", SOURCE_URL=url, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
        server.shutdown()
    assert found == (0, '{"bases": ["debian:12"]}')
