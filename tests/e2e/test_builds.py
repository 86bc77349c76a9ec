"""Dockerfiles of today, .dockerignore, reused layers and failures, with the real builder."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.instance import Instance

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
SERVER = "import http.server\nhttp.server.HTTPServer(('0.0.0.0', 9000), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
TODAY = """\
# syntax=docker/dockerfile:1
ARG PY=3 VARIANT=slim
ARG BASE=python:${PY}${VARIANT:+-$VARIANT}
FROM --platform=$BUILDPLATFORM ${BASE} AS tools
RUN echo tool > /tool
FROM python:2.7 AS unused
FROM ${BASE}
WORKDIR /srv
COPY --link --from=tools /tool ./
COPY --chmod=u=rwX,go= parts/plain.txt ./secret.txt
COPY --parents parts/./deep/x.txt ./kept/
COPY --exclude=*.md parts ./chosen/
COPY <<EOF ./written.txt
written by a heredoc
EOF
RUN <<EOF
set -e
find . -mindepth 1 -printf '%m %p\\n' | sort > listing.txt
EOF
RUN --mount=type=cache,target=/cache --mount=type=bind,source=parts,target=/parts --mount=type=tmpfs,target=/scratch cp -r /parts /srv/bound
COPY . ./context/
HEALTHCHECK --start-interval=1s CMD true
EXPOSE 9000 9001/udp
USER 1000
CMD ["python3", "context/app.py"]
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("today") / "today"
    files = {"app.py": SERVER, "Dockerfile": TODAY, "parts/plain.txt": "p", "parts/deep/x.txt": "x", "parts/note.md": "n"}
    files |= {"cmd/main.go": "package main\n", "notes.md": "n", ".env": "SECRET=1\n", ".dockerignore": "docs\n"}
    files |= {"Dockerfile.dockerignore": "**/*.md\ncmd\n!cmd/*.go\n.dockerignore\nDockerfile*\n"}
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / "docs").mkdir()
    return tree


@pytest.fixture(scope="module")
def status(instance: Instance, source: Path) -> Iterator[Any]:
    """The Build's, after the first deployment."""
    instance.ph("deploy", str(source), "--name", "today", "--port", "9000", timeout=800)
    yield build_of(instance)["status"]
    for app in ("today", "broken"):
        instance.ph("delete", app, "--yes", check=False)


def build_of(instance: Instance) -> Any:
    name = instance.get("app", "today")["status"]["build"]
    return instance.get("build", name)


def listing(instance: Instance, path: str) -> set[str]:
    said = instance.ph("exec", "today", "find", path, "-mindepth", "1", "-printf", "%m %P\\n").stdout
    return set(said.splitlines())


def test_a_dockerfile_of_today_is_built_as_it_says(instance: Instance, status: Any) -> None:
    assert instance.fetch("today.localhost", "/written.txt")[1] == b"written by a heredoc\n"
    made = set(instance.fetch("today.localhost", "/listing.txt")[1].decode().splitlines())
    assert {"600 ./secret.txt", "644 ./kept/deep/x.txt", "644 ./chosen/plain.txt", "644 ./tool"} <= made
    assert not [line for line in made if line.endswith(".md")]
    assert instance.fetch("today.localhost", "/bound/plain.txt")[1] == b"p"


def test_the_context_is_what_the_dockerfiles_own_rules_leave(instance: Instance, status: Any) -> None:
    found = {line.partition(" ")[2] for line in listing(instance, "context")}
    assert found == {"app.py", "cmd", "cmd/main.go", "docs", "parts", "parts/deep", "parts/deep/x.txt", "parts/plain.txt"}


def test_the_build_says_what_the_image_exposes_and_runs(status: Any) -> None:
    assert status["exposedPorts"] == [9000]
    assert (status["image"]["command"], status["image"]["user"]) == (["python3", "context/app.py"], "1000")
    assert [step["name"] for step in status["steps"]][-1] == "push"


def test_a_changed_file_leaves_the_layers_before_it_alone(instance: Instance, source: Path, status: Any) -> None:
    (source / "app.py").write_text(f"{SERVER}# changed\n")
    instance.ph("deploy", str(source), "--name", "today", timeout=500)
    steps = build_of(instance)["status"]["steps"]
    # A RUN that mounts a part of the source is not taken from the cache: buildah does not look into what is mounted.
    before = [step for step in steps if step["name"].startswith(("RUN", "COPY", "WORKDIR")) and "--mount" not in step["name"]][:-1]
    assert [step["name"] for step in before if not step["cached"]] == []


def test_the_first_error_is_named_with_its_line_and_the_log_is_kept(instance: Instance, source: Path, tmp_path: Path, status: Any) -> None:
    broken = shutil.copytree(source, tmp_path / "broken")
    (broken / "Dockerfile").write_text("FROM python:3-slim\nRUN pip install no-such-package-of-anybody==9\n")
    failed = instance.ph("deploy", str(broken), "--name", "broken", check=False, timeout=500)
    assert failed.returncode == 1
    assert "Dockerfile line 2: RUN pip install no-such-package-of-anybody==9: ERROR: No matching distribution found" in failed.stderr
    assert "==> 2/2 line 2: RUN pip install" in instance.ph("logs", "broken", "--build").stdout
