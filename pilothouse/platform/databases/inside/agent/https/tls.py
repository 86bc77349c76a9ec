"""The agent's TLS: its certificate is the server's, and whoever shows one of the instance's own authority is what that says."""

import ssl
from pathlib import Path
from typing import Any

_FILES = ("tls.crt", "tls.key", "ca.crt")


class Tls:
    """The context for new connections: made anew when the files have changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._version = ""
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Raises OSError when the files are not there yet or do not fit each other; the context before stays as long as there is one."""
        try:
            version = self.version_of(self._folder)
            if self._context is None or version != self._version:
                self._context, self._version = self._made(), version
        except OSError:
            if self._context is None:
                raise
        assert self._context is not None
        return self._context

    @staticmethod
    def version_of(folder: Path) -> str:
        """Changes with the files. Raises OSError when one is not there."""
        return "-".join(str((folder / name).stat().st_mtime_ns) for name in _FILES)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key")
        context.load_verify_locations(self._folder / "ca.crt")
        context.verify_mode = ssl.CERT_OPTIONAL
        return context


def name_of(connection: ssl.SSLSocket) -> str:
    """The common name of the client's certificate; "" when it showed none."""
    subject: Any = (connection.getpeercert() or {}).get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return str(names[0]) if names else ""
