"""Applications that others wrote, unchanged and without a Dockerfile: from a folder and from Git to a URL."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import Instance, eventually
from tests.platform.builds.git.server import Repository, served

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]
DEPLOY_S = 600


def unpacked(archive: Path, folder: Path) -> Path:
    """What is in a source archive's one top folder."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def httpbin(tmp_path: Path) -> Path:
    """A Flask application of PyPI, as its authors publish its source."""
    options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--dest", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, "httpbin==0.10.2"], check=True, timeout=120)
    return unpacked(next(tmp_path.glob("httpbin*.tar.gz")), tmp_path / "source")


def npm_package(name: str, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True, timeout=120, stdout=subprocess.DEVNULL)
    return unpacked(next(folder.glob("*.tgz")), folder / "source")


@pytest.fixture
def deployed(instance: Instance) -> Iterator[list[str]]:
    """Names of apps to delete afterwards."""
    names: list[str] = []
    yield names
    instance.ph("delete", *names, "--yes", check=False)


def test_a_flask_application_from_pypi_is_served(instance: Instance, httpbin: Path, deployed: list[str]) -> None:
    deployed.append("httpbin")
    instance.ph("deploy", str(httpbin), "--name", "httpbin", timeout=DEPLOY_S)
    status, body = instance.fetch("httpbin.localhost", "/get?answer=42")
    assert (status, json.loads(body)["args"]) == (200, {"answer": "42"})


def test_a_node_server_from_npm_is_served(instance: Instance, tmp_path: Path, deployed: list[str]) -> None:
    deployed.append("http-server")
    source = npm_package("http-server@14.1.1", tmp_path / "npm")
    instance.ph("deploy", str(source), "--name", "http-server", timeout=DEPLOY_S)
    status, body = instance.fetch("http-server.localhost", "/package.json")
    assert (status, b'"name": "http-server"' in body) == (200, True)


def test_a_static_site_from_npm_is_served_without_its_hidden_files(instance: Instance, tmp_path: Path, deployed: list[str]) -> None:
    deployed.append("swagger")
    source = npm_package("swagger-ui-dist@5.17.14", tmp_path / "npm")
    (source / ".secret").write_text("x")
    instance.ph("deploy", str(source), "--name", "swagger", timeout=DEPLOY_S)
    assert b"swagger-ui" in instance.fetch("swagger.localhost")[1]
    assert instance.fetch("swagger.localhost", "/swagger-ui.css")[0] == 200
    assert instance.fetch("swagger.localhost", "/.secret")[0] == 404


def test_a_repository_without_a_dockerfile_is_served_and_followed(instance: Instance, tmp_path: Path, deployed: list[str]) -> None:
    """A private one: the build runs in the host's network, and so reaches loopback."""
    deployed.append("followed")
    page = "import http.server, os\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n"
    page += "        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'{}')\n"
    page += "http.server.HTTPServer(('', int(os.environ['PORT'])), H).serve_forever()\n"
    repository = Repository(tmp_path)
    repository.commit({"app.py": page.replace("{}", "first")})
    with served(tmp_path, "t0ken") as root:
        url = f"{root.replace('://', '://git:t0ken@')}/shop.git#main"
        instance.ph("deploy", url, "--name", "followed", timeout=DEPLOY_S)
        assert instance.fetch("followed.localhost")[1] == b"first"
        repository.commit({"app.py": page.replace("{}", "second")})
        instance.ph("deploy", f"{root}/shop.git#main", "--name", "followed", timeout=DEPLOY_S)
        eventually(lambda: instance.fetch("followed.localhost")[1] == b"second")
    assert "t0ken" not in instance.kubectl("get", "apps,builds,pods", "-o", "yaml").stdout
