"""What a Job's pod is told, in environment variables and mounted files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.platform.databases.inside.outcome import Failure
from pilothouse.platform.databases.inside.store.s3 import S3Place, S3Store
from pilothouse.platform.databases.inside.store.sealed import Keys, key_of
from pilothouse.platform.databases.inside.store.seam import Store
from pilothouse.platform.databases.inside.store.volume import VolumeStore


@dataclass(frozen=True, slots=True)
class Settings:
    """environ: STORE (`volume` or `s3`), and what the Job's own program reads. The rest are folders of mounted files.

    tls: the job's certificate and the instance's CA. scratch: room for a server's data. credentials: of S3. key: the store's.
    """

    environ: Mapping[str, str]
    folder: Path
    tls: Path
    scratch: Path
    credentials: Path
    key_file: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Settings":
        def place(name: str, usual: str) -> Path:
            return Path(environ.get(name, usual))

        return cls(
            environ,
            place("STORE_FOLDER", "/store"),
            place("TLS", "/tls"),
            place("SCRATCH", "/scratch"),
            place("CREDENTIALS", "/credentials"),
            place("KEY", "/key/key"),
        )

    def __getitem__(self, name: str) -> str:
        return self.environ[name]

    def document(self, name: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.environ[name])
        return found

    def store(self) -> Store:
        """Raises Failure when what is mounted does not do."""
        if self.environ["STORE"] == "volume":
            return VolumeStore(self.folder)
        try:
            access, secret = ((self.credentials / name).read_text().strip() for name in ("accessKey", "secretKey"))
        except OSError as error:
            raise Failure("StoreRefused", "the store's Secret has no keys accessKey and secretKey", final=True) from error
        told = self.document("S3")
        return S3Store(S3Place(told["endpoint"], told["bucket"], told["prefix"], told["region"], told["ca"]), access, secret)

    def keys(self) -> Keys:
        """`key` of the mounted Secret, and those that were it before: `old-1` and whatever else begins so. Raises Failure."""
        try:
            current = key_of(self.key_file.read_text())
            others = sorted(path for path in self.key_file.parent.glob("old*") if path.is_file())
            return Keys(current, tuple(key_of(path.read_text()) for path in others))
        except OSError as error:
            raise Failure("StoreRefused", "the store's encryption key is not there", final=True) from error
        except ValueError as error:
            raise Failure("StoreRefused", str(error), final=True) from error
