"""The guestbook as its image runs it: gunicorn with the pinned requirements, a process of its own on loopback."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "examples" / "guestbook"
NASTY = "<script>alert('x')</script> & \"friends\""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The requirements, installed apart from the environment of the tests."""
    folder = tmp_path_factory.mktemp("packages")
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder)]
    subprocess.run([*argv, "-r", str(SOURCE / "requirements.txt")], check=True, timeout=120, capture_output=True)
    return folder


class Guestbook:
    def __init__(self, packages: Path, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = re.search(r"^CMD exec (.+)$", (SOURCE / "Dockerfile").read_text(), re.MULTILINE)
        assert command is not None
        argv = ["/bin/sh", "-c", f"exec {sys.executable} -m {command[1].replace('0.0.0.0', '127.0.0.1')}"]
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(packages),
            "PORT": str(self.port),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        }
        self.process = subprocess.Popen(argv, cwd=SOURCE, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.get("/healthz")
            except OSError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return

    def send(self, path: str, data: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": kind} if data else {})
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def get(self, path: str) -> str:
        return self.send(path)[1]

    def post(self, **body: object) -> int:
        return self.send("/api/messages", json.dumps(body).encode())[0]

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


Start = Callable[..., Guestbook]


@pytest.fixture
def start(packages: Path) -> Iterator[Start]:
    running: list[Guestbook] = []

    def begin(**environment: str) -> Guestbook:
        running.append(Guestbook(packages, **environment))
        return running[-1]

    yield begin
    for book in running:
        if book.process.poll() is None:
            book.process.kill()
            book.process.wait(10)


def test_a_message_left_on_the_page_is_shown_escaped(start: Start) -> None:
    book = start(GREETING="Welcome <b>")
    form = urllib.parse.urlencode({"name": "<i>Eve</i>", "text": NASTY}).encode()
    status, page = book.send("/", form, "application/x-www-form-urlencoded")
    assert status == 200
    assert "&lt;script&gt;" in page
    assert "&lt;i&gt;Eve&lt;/i&gt;" in page
    assert "<script>" not in page
    assert "Welcome &lt;b&gt;, guest!" in page
    assert socket.gethostname() in page


def test_the_api_takes_and_gives_messages_newest_first(start: Start) -> None:
    book = start()
    assert [book.post(name="Ann", text="one"), book.post(text="two")] == [201, 201]
    found = json.loads(book.get("/api/messages"))
    assert [(m["name"], m["text"]) for m in found["messages"]] == [("Anonymous", "two"), ("Ann", "one")]
    assert found["host"] == socket.gethostname()


def test_what_is_no_message_is_refused(start: Start) -> None:
    book = start()
    for body in ({}, {"text": " "}, {"text": "x" * 501}, {"text": 1}, {"name": "x" * 51, "text": "x"}, [1]):
        assert book.send("/api/messages", json.dumps(body).encode())[0] == 400, body
    assert book.send("/api/messages", b"{")[0] == 400
    assert json.loads(book.get("/api/messages"))["messages"] == []


def test_messages_in_a_folder_survive_a_restart(start: Start, tmp_path: Path) -> None:
    first = start(GUESTBOOK_DATA=str(tmp_path / "data"))
    assert first.post(text="still here") == 201
    assert first.end() == 0
    assert "still here" in start(GUESTBOOK_DATA=str(tmp_path / "data")).get("/")


def test_a_request_in_work_is_answered_after_sigterm(start: Start) -> None:
    book = start()
    body = json.dumps({"text": "slow"}).encode()
    with socket.create_connection(("127.0.0.1", book.port), timeout=10) as connection:
        head = f"POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        ending = threading.Thread(target=book.end)
        ending.start()
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 201")
        ending.join(20)
    assert book.process.returncode == 0
