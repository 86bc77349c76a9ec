"""The programs of Jobs as processes, told what their pods would be told."""

import base64
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from pilothouse.platform.databases import inside
from pilothouse.platform.databases.inside.store.sealed import Keys
from tests.platform.databases.inside.servers import FakeAgent, as_user, own_folder

PYTHON = "/usr/bin/python3"
"""The distribution's, with its python3-cryptography, as in the image."""
KEYS = Keys(bytes(range(32)))
LOCATION = "orders-uid-1/backups/nightly"
_INSIDE = "pilothouse.platform.databases.inside"


@functools.cache
def program_folder() -> Path:
    """Where whoever runs Jobs may read it: pymysql and the programs, and nothing else of the platform."""
    folder = Path(tempfile.mkdtemp(prefix="ph-inside-"))
    folder.chmod(0o755)
    place = folder.joinpath(*_INSIDE.split("."))
    shutil.copytree(Path(inside.__file__).parent, place)
    for parent in list(place.parents)[: len(_INSIDE.split(".")) - 1]:
        (parent / "__init__.py").touch()
    shutil.copytree(Path(pymysql.__file__).parent, folder / "pymysql")
    return folder


def remove_program() -> None:
    if program_folder.cache_info().currsize:
        shutil.rmtree(program_folder(), ignore_errors=True)
        program_folder.cache_clear()


@dataclass
class Ended:
    code: int
    told: Mapping[str, Any]
    log: str


class Jobs:
    """folder: for the store, the key, scratch data. What is told to all; `run` adds to it."""

    def __init__(self, folder: Path, agent: FakeAgent | None = None) -> None:
        self.folder = own_folder(folder)
        self.store = own_folder(folder / "store")
        own_folder(folder / "keys").joinpath("key").write_text(base64.b64encode(KEYS.current).decode())
        self.told = {
            "STORE": "volume",
            "STORE_FOLDER": str(self.store),
            "KEY": str(folder / "keys" / "key"),
            "LOCATION": LOCATION,
            "INSTANCE": "orders",
            "INSTANCE_UID": "uid-1",
            "METHOD": "physical",
            "TMPDIR": str(own_folder(folder / "tmp")),
        }
        if agent is not None:
            self.told |= {"MEMBER": "orders-0", "MEMBER_HOST": "localhost", "MEMBER_PORT": str(agent.port), "TLS": str(agent.tls)}

    def who(self) -> dict[str, Any]:
        return as_user()

    def argv(self, command: list[str]) -> list[str]:
        return command

    def start(self, program: str, **told: str) -> "subprocess.Popen[str]":
        scratch = own_folder(self.folder / f"scratch-{program}")
        ends = self._ends(program)
        ends.unlink(missing_ok=True)
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(program_folder())}
        return subprocess.Popen(
            self.argv([PYTHON, "-B", "-m", _INSIDE, program]),
            env=environ | self.told | {"SCRATCH": str(scratch), "TERMINATION": str(ends)} | told,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            start_new_session=True,
            **self.who(),
        )

    def kill(self, process: "subprocess.Popen[str]") -> None:
        """With all that it has started, as a pod goes."""
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def run(self, program: str, **told: str) -> Ended:
        with self.start(program, **told) as process:
            log, _ = process.communicate(timeout=50)
        ends = self._ends(program)
        return Ended(process.returncode, json.loads(ends.read_text()) if ends.exists() else {}, log)

    def _ends(self, program: str) -> Path:
        return self.folder / "tmp" / f"{program}.json"
