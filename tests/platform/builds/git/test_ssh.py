"""A private repository behind a real SSH server, opened by a key from a Secret."""

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.platform.builds.git.clone import GitFailed
from pilothouse.platform.builds.git.credentials import Credentials
from pilothouse.platform.builds.git.location import parse
from pilothouse.platform.builds.git.resolve import checkout, resolve
from tests.platform.builds.git.server import Repository

SSHD = Path("/usr/sbin/sshd")
RUN = Path("/run/sshd")
pytestmark = pytest.mark.skipif(not SSHD.exists() or os.geteuid() != 0, reason="needs root and openssh-server")


class Server:
    """keys: `client` is let in, `other` is not; `host` is the server's."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        for name in ("client", "other", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository.bare}"

    def key(self, name: str) -> str:
        return (self.folder / name).read_text()

    def known_hosts(self, name: str = "host") -> str:
        return f"[127.0.0.1]:{self.port} {(self.folder / f'{name}.pub').read_text()}"

    def options(self) -> list[str]:
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "client.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


@pytest.fixture
def server(tmp_path: Path, repository: Repository) -> Iterator[Server]:
    made = Server(tmp_path, repository)
    is_made = not RUN.exists()
    RUN.mkdir(exist_ok=True)
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", "/dev/null", *made.options()], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "Server listening" not in process.stderr.readline():
        assert process.poll() is None
    yield made
    process.terminate()
    process.communicate(timeout=10)
    if is_made:
        RUN.rmdir()


async def test_a_key_opens_the_repository(server: Server, repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"app.py": "1"})
    credentials = Credentials(ssh_key=server.key("client").strip(), known_hosts=server.known_hosts())
    assert await resolve(parse(server.url), credentials) == commit
    (tmp_path / "copy").mkdir()
    await checkout(parse(f"{server.url}#main"), tmp_path / "copy", credentials)
    assert (tmp_path / "copy/app.py").read_text() == "1"


async def test_a_key_that_is_not_known_is_said(server: Server) -> None:
    with pytest.raises(GitFailed, match="does not accept the SSH key"):
        await resolve(parse(server.url), Credentials(ssh_key=server.key("other"), known_hosts=server.known_hosts()))


async def test_a_host_that_is_not_the_known_one_is_said(server: Server) -> None:
    with pytest.raises(GitFailed, match=r"the host of .* is not known"):
        await resolve(parse(server.url), Credentials(ssh_key=server.key("client"), known_hosts=server.known_hosts("other")))
