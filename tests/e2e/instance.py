"""An instance for tests: its own home, ports and networks, driven through the real `ph`."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.node.images.archive import busybox_archive, load_archive
from tests.e2e import images as ahead
from tests.e2e.free import first_number
from tests.e2e.machine import look
from tests.uses import note, of_metrics

BIN = Path(sys.executable).parent


@dataclass
class Instance:
    """number: below free.INSTANCES, distinct for every instance that may run at the same time; ports and networks follow from it."""

    home: Path
    number: int
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def http_port(self) -> int:
        return 18000 + self._place

    @property
    def api_port(self) -> int:
        return 16443 + self._place

    @property
    def _place(self) -> int:
        return first_number() + self.number

    @property
    def https_port(self) -> int:
        return 18100 + self._place

    @property
    def registry_port(self) -> int:
        return 15000 + self._place

    def up(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        n = self._place
        networks = ["--pod-cidr", f"10.{100 + n}.0.0/16", "--service-cidr", f"10.{200 + n}.0.0/16"]
        ports = ["--port", str(self.api_port), "--http-port", str(self.http_port), "--https-port", str(self.https_port)]
        ports += ["--registry-port", str(self.registry_port), "--kubelet-port", str(15100 + n)]
        return self.ph("up", *ports, *networks, *options, check=check)

    def ph(self, *args: str, check: bool = True, timeout: float = 300, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BIN / "ph"), "--home", str(self.home), *args],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=cwd,
            env=os.environ | self.environment,
            check=False,
        )
        if check and done.returncode != 0:
            logs = [self.home / "log" / name for name in ("pilothouse.log", "node.log")]
            tails = "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in logs if log.exists())
            raise AssertionError(f"ph {' '.join(args)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}\n{tails}")
        return done

    def kubectl(self, *args: str, check: bool = True, input: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BIN / "kubectl"), *args],
            capture_output=True,
            text=True,
            input=input,
            timeout=timeout,
            env=os.environ | {"KUBECONFIG": str(self.home / "admin.kubeconfig")},
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def get(self, *args: str) -> Any:
        return json.loads(self.kubectl("get", *args, "-o", "json").stdout)

    def fetch(self, host: str, path: str = "/", *, headers: dict[str, str] | None = None, timeout: float = 10) -> tuple[int, bytes]:
        """(status, body) of a request through the gateway."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", headers={"Host": host, **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def load_image(self, name: str) -> None:
        """Put the busybox image under that name into the node."""
        archive = self.home / "busybox.tar"
        busybox_archive(archive, name)
        asyncio.run(load_archive(self.home / "node" / "containerd" / "containerd.sock", archive))

    def destroy(self) -> None:
        self.ph("destroy", "--yes", check=True)

    @property
    def daemon_pid(self) -> int:
        return int((self.home / "run" / "pilothouse.pid").read_text().split()[0])


@contextlib.contextmanager
def started(number: int, *options: str, images: Sequence[str] = ()) -> Iterator[Instance]:
    """An instance of the test's own, up with these options; afterwards it has left nothing behind. images: see `Instance.load_image`."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it starts real containers")
    with fresh(number) as made:
        made.up(*options)
        for image in images:
            made.load_image(image)
        yield made


@contextlib.contextmanager
def fresh(number: int) -> Iterator[Instance]:
    """One that has not been started; whatever it has made by the end of the block is removed, and nothing of it may be left."""
    home = Path(tempfile.mkdtemp(prefix="pht-"))
    before = look(home)
    made = Instance(home, number)
    ahead.give(home)
    try:
        yield made
    finally:
        made.ph("destroy", "--yes", check=False)
        shutil.rmtree(home, ignore_errors=True)
        left = look(home).added_since(before)
        assert not left, f"the instance left something behind: {left}"


def require_rights(made: Instance, *, but: str = "") -> None:
    """No part of the cluster was refused anything so far; what they used is noted. but: a user of the test's own, who may be refused."""
    allowed, found = of_metrics(made.kubectl("get", "--raw", "/metrics").stdout)
    note(allowed)
    refused = [each for each in found if not but or but not in str(each)]
    assert not refused, f"parts of the cluster lack rights: {refused}"


def eventually(claim: Callable[[], Any], deadline_s: float = 30, every_s: float = 0.1) -> Any:
    """The first true value of the claim; fails with its last value after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = claim()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {getattr(claim, '__name__', claim)}: {value!r}")
        time.sleep(every_s)
