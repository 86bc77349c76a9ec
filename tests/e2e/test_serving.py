"""What a deploy says of apps that do not serve, with real builds and real containers."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import Instance

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(600)]

SERVER = """
import os, http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status}); self.send_header("content-length", "2"); self.end_headers(); self.wfile.write(b"ok")
http.server.ThreadingHTTPServer(("{address}", {port}), Answer).serve_forever()
"""


def source(folder: Path, text: str = "", *, status: int = 200, address: str = "0.0.0.0", port: str = 'int(os.environ["PORT"])') -> Path:
    tree = folder / "sick"
    tree.mkdir(exist_ok=True)
    (tree / "requirements.txt").write_text("")
    (tree / "Procfile").write_text("web: python app.py\n")
    (tree / "app.py").write_text(text or SERVER.format(status=status, address=address, port=port))
    return tree


@pytest.fixture(scope="module")
def serving(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The app `sick`, at its first revision, which serves."""
    folder = tmp_path_factory.mktemp("sick")
    instance.ph("deploy", str(source(folder)), timeout=500)
    yield folder
    instance.ph("delete", "sick", "--yes")


def failed(instance: Instance, tree: Path) -> str:
    """The last line of a deploy that ends with 1."""
    begun = time.monotonic()
    done = instance.ph("deploy", str(tree), check=False)
    assert done.returncode == 1, done.stderr
    assert time.monotonic() - begun < 120
    assert instance.fetch("sick.localhost") == (200, b"ok")
    return done.stderr.splitlines()[-1]


def test_a_crash_ends_the_deploy_with_its_exception_and_the_old_revision_goes_on(instance: Instance, serving: Path) -> None:
    said = failed(instance, source(serving, "import os\nos.environ['DATABASE_URL']\n"))
    assert "ended with exit code 1: KeyError: 'DATABASE_URL'" in said
    assert "revision 1 goes on serving" in said
    apps = json.loads(instance.ph("apps", "-o", "json").stdout)
    assert [each["state"] for each in apps if each["metadata"]["name"] == "sick"] == ["Crashing"]


def test_the_port_on_which_it_listens_instead_is_named(instance: Instance, serving: Path) -> None:
    assert "listens on port 5000 and not on 8080" in failed(instance, source(serving, port="5000"))


def test_loopback_only_is_named(instance: Instance, serving: Path) -> None:
    assert "listens on 127.0.0.1:8080 only" in failed(instance, source(serving, address="127.0.0.1"))


def test_an_app_that_answers_only_errors_does_not_serve(instance: Instance, serving: Path) -> None:
    said = failed(instance, source(serving, status=500))
    assert "GET / is answered with 500" in said
    assert "revision 1 goes on serving" in said


WORKERS = """
import os, socket, time
listener = socket.create_server(("0.0.0.0", int(os.environ["PORT"])))
while True:
    if not os.fork():
        raise SystemExit("worker failed to boot")
    os.wait()
    time.sleep(0.5)
"""


def test_a_server_whose_workers_end_again_and_again_does_not_serve(instance: Instance, serving: Path) -> None:
    said = failed(instance, source(serving, WORKERS))
    assert "its workers end again and again: worker failed to boot" in said
    assert "revision 1 goes on serving" in said


def test_it_serves_again_once_it_is_mended(instance: Instance, serving: Path) -> None:
    instance.ph("deploy", str(source(serving)))
    assert instance.fetch("sick.localhost") == (200, b"ok")


def test_a_program_that_is_not_there_is_one_sentence_and_127(instance: Instance, serving: Path) -> None:
    done = instance.ph("exec", "sick", "nosuch", check=False)
    assert (done.returncode, done.stderr) == (127, "Error: the container has no program nosuch\n")


def test_nothing_that_runs_is_said_at_the_url(instance: Instance, serving: Path) -> None:
    instance.ph("scale", "sick=0")
    status, said = instance.fetch("sick.localhost")
    assert status == 503
    assert b'sick is scaled to 0: "ph scale sick=1" starts it' in said
