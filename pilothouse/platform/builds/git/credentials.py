"""Credentials of a private repository, handed to git through files that only this user reads.

They are in no URL, no command line and no log. Keys are those of Kubernetes' Secrets of the types `kubernetes.io/basic-auth`
and `kubernetes.io/ssh-auth`.
"""

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from pilothouse.platform.builds.git.location import Location


@dataclass(frozen=True, slots=True)
class Credentials:
    """password: a token or a password. ssh_key: a private key's text. known_hosts: lines of that file, for the hosts to be trusted."""

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key: str = field(default="", repr=False)
    known_hosts: str = ""

    def secret(self) -> dict[str, str]:
        """The Secret's data, as text."""
        named = {"username": self.username, "password": self.password, "ssh-privatekey": self.ssh_key, "known_hosts": self.known_hosts}
        return {key: value for key, value in named.items() if value}


@contextlib.contextmanager
def environment(location: Location, credentials: Credentials | None, ca: str = "") -> Iterator[dict[str, str]]:
    """Variables for git that answer for the location and for nothing else; without credentials git's own helpers and keys are used.

    ca: a file with certificates. git never asks: it fails where it would.
    """
    variables = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "LC_ALL": "C", "GIT_LFS_SKIP_SMUDGE": "1"}
    variables |= {"GIT_SSL_CAINFO": ca} if ca else {}
    with tempfile.TemporaryDirectory(prefix="pilothouse-git-") as folder:
        if credentials is None:
            yield {**os.environ, **variables, "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")}
            return
        settings = _http(location, credentials, Path(folder)) if credentials.password else {}
        ssh = _ssh(credentials, Path(folder))
        yield {**os.environ, **variables, **_as_variables(settings), "GIT_SSH_COMMAND": ssh}


def _http(location: Location, credentials: Credentials, folder: Path) -> dict[str, str]:
    """git's `store` helper, confined to the location's host."""
    parts = urlsplit(location.origin or location.url)
    line = f"{parts.scheme}://{quote(credentials.username or 'git', safe='')}:{quote(credentials.password, safe='')}@{parts.netloc}\n"
    path = _private(folder / "credentials", line)
    return {"credential.helper": "", f"credential.{location.origin}.helper": f"store --file={shlex.quote(str(path))}"}


def _ssh(credentials: Credentials, folder: Path) -> str:
    words = ["ssh", "-o", "BatchMode=yes"]
    if credentials.ssh_key:
        key = _private(folder / "key", credentials.ssh_key.rstrip("\n") + "\n")
        words += ["-o", "IdentitiesOnly=yes", "-i", str(key)]
    if credentials.known_hosts:
        hosts = _private(folder / "known_hosts", credentials.known_hosts)
        words += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={hosts}"]
    return shlex.join(words)


def _private(path: Path, text: str) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """git's settings as environment variables (`git config` itself would show them in the process list)."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))} if settings else {}
    for index, (key, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return found
