"""Requests to one bucket of an S3-compatible service, signed, with what its errors mean."""

import http.client
import ssl
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pilothouse.platform.databases.inside.store.seam import Missing, StoreError
from pilothouse.platform.databases.inside.store.signature import encoded_path, encoded_query, signed

TIMEOUT_S = 60.0
WAITS_S = (0.5, 1.0, 2.0, 4.0)
"""Before another attempt, where one may help."""
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_FULL = ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "EntityTooLarge", "InsufficientStorage")
_PASSES = ("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted")
_INSUFFICIENT_STORAGE = 507


@dataclass(frozen=True, slots=True)
class S3Place:
    """ca: PEM of the authority of the endpoint's certificate, "" for the system's."""

    endpoint: str
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    ca: str = ""


class _Passing(Exception):
    """Another attempt may help. str: why."""


class S3Requests:
    def __init__(self, place: S3Place, access: str, secret: str) -> None:
        self._place, self._access, self._secret = place, access, secret
        parts = urlsplit(place.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StoreError("StoreRefused", f"the endpoint {place.endpoint!r} is no URL such as https://s3.example.com")
        self._parts = parts
        self._context = ssl.create_default_context(cadata=place.ca or None) if parts.scheme == "https" else None

    def ask(self, method: str, name: str, query: Mapping[str, str], body: bytes = b"") -> tuple[Mapping[str, str], bytes]:
        """The answer's headers (names in lower case) and body. Raises Missing, StoreError."""
        answer = self.open(method, name, query, body)
        try:
            return {key.lower(): value for key, value in answer.getheaders()}, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._away(error) from error
        finally:
            answer.close()

    def open(
        self, method: str, name: str, query: Mapping[str, str], body: bytes = b"", more: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The answer, its body unread; to be closed."""
        why = ""
        for wait_s in (*WAITS_S, None):
            try:
                return self._once(method, name, query, body, more or {})
            except (_Passing, OSError, http.client.HTTPException) as error:
                if isinstance(error, ssl.SSLCertVerificationError):
                    raise StoreError("StoreRefused", f"{self._where} has no trusted certificate: {error.verify_message}") from error
                why = str(error) or type(error).__name__
            if wait_s is not None:
                time.sleep(wait_s)
        raise StoreError("StoreUnreachable", f"{self._where} does not answer: {why}")

    def _once(self, method: str, name: str, query: Mapping[str, str], body: bytes, more: Mapping[str, str]) -> http.client.HTTPResponse:
        path = f"{self._parts.path.rstrip('/')}/{self._place.bucket}" + (f"/{name}" if name else "")
        headers = signed(method, self._parts.netloc, path, query, body, self._place.region, self._access, self._secret, time.time())
        connection = self._connection()
        url = encoded_path(path) + (f"?{encoded_query(query)}" if query else "")
        try:
            connection.request(method, url, body, {**headers, **more})
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        # The connection ends with the answer's body: it is asked for one thing only.
        if answer.status // 100 != 2:
            with answer:
                raise self._error(answer.status, answer.read(65536), name)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._context is not None:
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def _error(self, status: int, body: bytes, name: str) -> Exception:
        code, message = _told(body)
        if code in ("NoSuchKey", "NoSuchUpload") or (status == 404 and not code):
            return Missing(name)
        if code in _FULL or status == _INSUFFICIENT_STORAGE:
            return StoreError("StoreFull", f"{self._where} is full ({code or status}): give it more room, or keep fewer backups")
        if code in _PASSES or status >= 500 or status == 429:
            return _Passing(f"{status} {code} {message}".strip())
        if code == "RequestTimeTooSkewed":
            return StoreError(
                "StoreRefused", f"{self._where} refuses requests of another time than its own: set this node's clock ({message})"
            )
        if code == "NoSuchBucket":
            return StoreError(
                "StoreRefused", f"{self._where} does not exist: make it, or name another one in the BackupStore's spec.s3.bucket"
            )
        if status in (401, 403, 404):
            return StoreError("StoreRefused", f"{self._where} refuses: {code or status} {message}".strip())
        return StoreError("StoreFailed", f"{self._where} answers {status} {code} {message}".strip())

    def checked(self, body: bytes) -> None:
        """Of an answer that may hold an error although its code says success."""
        code, message = _told(body)
        if code:
            raise StoreError("StoreFailed", f"{self._where} answers {code} {message}".strip())

    def _away(self, error: Exception) -> StoreError:
        return StoreError("StoreUnreachable", f"{self._where} broke off: {error or type(error).__name__}")

    @property
    def _where(self) -> str:
        return f"the bucket {self._place.bucket} at {self._place.endpoint}"


def elements(body: bytes, name: str) -> list[ET.Element]:
    """All elements of that name in an answer of S3's."""
    try:
        root = ET.fromstring(body)  # noqa: S314 -- expat of today's Debian refuses entity bombs
    except ET.ParseError:
        return []
    return [each for each in root.iter() if each.tag.removeprefix(_NAMESPACE) == name]


def text(element: ET.Element, name: str) -> str:
    return next((each.text or "" for each in element.iter() if each.tag.removeprefix(_NAMESPACE) == name), "")


def _told(body: bytes) -> tuple[str, str]:
    found = elements(body, "Error")
    return (text(found[0], "Code"), text(found[0], "Message")) if found else ("", "")
