"""What Jobs ask of the agent beside a member's server."""

import contextlib
import http.client
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse.platform.databases.inside.outcome import Failure

TIMEOUT_S = 60.0
"""Without a byte."""
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Member:
    """host: its name in the agent's certificate. tls: the folder with tls.crt, tls.key and ca.crt."""

    host: str
    port: int
    tls: Path

    @contextlib.contextmanager
    def clone(self) -> Iterator[Iterator[bytes]]:
        """A physical copy: mbstream in zstd."""
        with self._get("/v1/clone") as parts:
            yield parts

    @contextlib.contextmanager
    def dump(self) -> Iterator[Iterator[bytes]]:
        """A logical copy: SQL in zstd."""
        with self._get("/v1/dump") as parts:
            yield parts

    def seed(self, identity: str, copy: Iterable[bytes]) -> None:
        """Give it its data as a physical copy; it takes it whole or not at all."""
        connection = self._connection()
        try:
            connection.request("PUT", f"/v1/seed?id={identity}", copy, {"Content-Type": "application/octet-stream"}, encode_chunked=True)
            self._answer(connection).read()
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error
        finally:
            connection.close()

    @contextlib.contextmanager
    def _get(self, path: str) -> Iterator[Iterator[bytes]]:
        connection = self._connection()
        try:
            connection.request("GET", path)
            yield self._parts(self._answer(connection))
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error
        finally:
            connection.close()

    def _parts(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """A copy that breaks off is never mistaken for a whole one: the last chunk of its body is missing."""
        try:
            while part := answer.read(_CHUNK):
                yield part
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error

    def _answer(self, connection: http.client.HTTPSConnection) -> http.client.HTTPResponse:
        answer = connection.getresponse()
        if answer.status != 200:
            said = answer.read(1000).decode(errors="replace").strip()
            raise Failure("MemberRefused", f"{self.host} answered {answer.status}: {said}")
        return answer

    def _connection(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.tls / "ca.crt"))
        context.load_cert_chain(self.tls / "tls.crt", self.tls / "tls.key")
        return http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S, context=context)

    def _broken(self, error: Exception) -> Failure:
        return Failure("MemberUnreachable", f"the connection to {self.host} broke off: {error or type(error).__name__}")
