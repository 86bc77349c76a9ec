"""The real kubectl as a subprocess, and a bare HTTPS client to look at the cluster behind its back."""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

PROGRAM = str(Path(sys.executable).with_name("kubectl"))
DEADLINE_S = 20.0


@dataclass(frozen=True)
class Kubectl:
    """kubectl on one kubeconfig and namespace. env: what an editor or a diff program is set with."""

    kubeconfig: Path
    namespace: str = "default"
    env: tuple[tuple[str, str], ...] = ()

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        """Standard output; raises AssertionError with what kubectl said when it fails."""
        done = self.attempt(*args, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *args: str, stdin: str | None = None) -> str:
        """Standard error of a call that must fail."""
        done = self.attempt(*args, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(args)} succeeded: {done.stdout}"
        return done.stderr

    def attempt(self, *args: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.argv(*args), env=self.environ(), input=stdin or "", capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )

    def argv(self, *args: str) -> list[str]:
        # An argument list may end in a command after `--`, so our own flags stand in front.
        return [PROGRAM, f"--namespace={self.namespace}", *args]

    def environ(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        home = str(self.kubeconfig.parent)
        return kept | {"KUBECONFIG": str(self.kubeconfig), "HOME": home, "KUBECACHEDIR": f"{home}/cache-{self.namespace}"} | dict(self.env)

    def apply(self, *objects: dict[str, Any]) -> str:
        return self("apply", "-f", "-", stdin=documents(*objects))

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "-o", "json"))

    def lines(self, *args: str) -> list[list[str]]:
        """The cells of a table without its heading."""
        return [line.split() for line in self(*args, "--no-headers").splitlines()]

    def using(self, **env: str) -> "Kubectl":
        return replace(self, env=(*self.env, *env.items()))

    @contextmanager
    def running(self, *args: str) -> Iterator["subprocess.Popen[str]"]:
        """A kubectl that goes on, such as a watch; it is ended with the block."""
        with subprocess.Popen(
            self.argv(*args), env=self.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def documents(*objects: dict[str, Any]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False)


class Api:
    """Requests with the administrator's certificate and nothing else: what is really in the cluster?"""

    def __init__(self, kubeconfig: Path) -> None:
        pki = kubeconfig.parent
        content = yaml.safe_load(kubeconfig.read_text())
        self.address = urlsplit(content["clusters"][0]["cluster"]["server"]).netloc
        self.context = ssl.create_default_context(cafile=str(pki / "pki" / "ca.crt"))
        user = content["users"][0]["user"]
        certificate = pki / "admin.pem"
        if not certificate.exists():
            import base64

            parts = (base64.b64decode(user[f"client-{part}-data"]).decode() for part in ("certificate", "key"))
            certificate.write_text("\n".join(parts))
        self.context.load_cert_chain(certificate)

    def __call__(self, method: str, path: str, body: Any = None, media: str = "application/json") -> Any:
        connection = HTTPSConnection(self.address, context=self.context, timeout=DEADLINE_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"content-type": media})
            response = connection.getresponse()
            return json.loads(response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        return self("GET", path)

    def until(self, path: str, holds: Callable[[Any], Any]) -> Any:
        """Ask until what comes back is as it should be."""
        deadline = time.monotonic() + DEADLINE_S
        while not holds(found := self.get(path)):
            assert time.monotonic() < deadline, f"{path} never became what was waited for: {found}"
            time.sleep(0.02)
        return found
