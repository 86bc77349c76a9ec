"""A store in a bucket of an S3-compatible service. Large things go up in parts, as they come.

Source: Amazon S3 API Reference (PutObject, CreateMultipartUpload, ListObjectsV2); addresses are path-style, which all services know.
"""

import contextlib
import http.client
from collections.abc import Iterator
from xml.sax.saxutils import escape

from pilothouse.platform.databases.inside.store.s3_requests import S3Place, S3Requests, elements, text
from pilothouse.platform.databases.inside.store.seam import Entry, Missing, Reader, StoreError, Writer

PART = 16 << 20
GROWS_AFTER = 1000
"""Parts: later ones are four times as large, since a thing has 10,000 at most: that makes 578 GiB."""
_RESUMES = 4


class S3Store:
    def __init__(self, place: S3Place, access: str, secret: str) -> None:
        self._requests = S3Requests(place, access, secret)
        self._prefix = f"{place.prefix.strip('/')}/" if place.prefix.strip("/") else ""

    def write(self, name: str) -> Writer:
        return _S3Writer(self._requests, self._prefix + name)

    def read(self, name: str) -> Reader:
        return _S3Reader(self._requests, self._prefix + name)

    def entries(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        query = {"list-type": "2", "prefix": self._prefix + prefix} | ({"start-after": self._prefix + after} if after else {})
        while True:
            _, body = self._requests.ask("GET", "", query)
            for each in elements(body, "Contents"):
                yield Entry(text(each, "Key").removeprefix(self._prefix), int(text(each, "Size") or 0))
            token = next((each.text or "" for each in elements(body, "NextContinuationToken")), "")
            if not token:
                return
            query["continuation-token"] = token

    def delete(self, name: str) -> None:
        self._requests.ask("DELETE", self._prefix + name, {})

    def tidy(self, prefix: str) -> None:
        """Page by page, of which each is shorter than the one before."""
        query = {"uploads": "", "prefix": self._prefix + prefix}
        while True:
            _, body = self._requests.ask("GET", "", query)
            for each in elements(body, "Upload"):
                with contextlib.suppress(Missing):
                    self._requests.ask("DELETE", text(each, "Key"), {"uploadId": text(each, "UploadId")})
            marks = {name: value for name in ("key-marker", "upload-id-marker") if (value := _mark(body, name))}
            if not marks:
                return
            query |= marks


class _S3Writer:
    def __init__(self, requests: S3Requests, name: str) -> None:
        self._requests, self._name = requests, name
        self._buffer = bytearray()
        self._upload = ""
        self._tags: list[str] = []

    def write(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= (size := self._part_size()):
            self._send(bytes(self._buffer[:size]))
            del self._buffer[:size]

    def commit(self) -> None:
        if not self._upload:
            self._requests.ask("PUT", self._name, {}, bytes(self._buffer))
            return
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        _, body = self._requests.ask("POST", self._name, {"uploadId": self._upload}, _completion(self._tags))
        self._requests.checked(body)
        self._upload = ""

    def abort(self) -> None:
        if self._upload:
            with contextlib.suppress(Missing):
                self._requests.ask("DELETE", self._name, {"uploadId": self._upload})
            self._upload = ""

    def _part_size(self) -> int:
        return PART if len(self._tags) < GROWS_AFTER else 4 * PART

    def _send(self, part: bytes) -> None:
        if not self._upload:
            _, body = self._requests.ask("POST", self._name, {"uploads": ""})
            self._upload = next(iter(text(each, "UploadId") for each in elements(body, "InitiateMultipartUploadResult")), "")
            if not self._upload:
                raise StoreError("StoreFailed", "the store's service began no upload in parts")
        headers, _ = self._requests.ask("PUT", self._name, {"partNumber": str(len(self._tags) + 1), "uploadId": self._upload}, part)
        self._tags.append(headers.get("etag", ""))


class _S3Reader:
    """Goes on where it was when a connection breaks off."""

    def __init__(self, requests: S3Requests, name: str) -> None:
        self._requests, self._name = requests, name
        self._answer = requests.open("GET", name, {})
        self._left = int(self._answer.getheader("Content-Length") or 0)
        self._tag = self._answer.getheader("ETag") or ""
        self._at, self._resumes = 0, 0

    def read(self, size: int, /) -> bytes:
        while self._left:
            try:
                if part := self._answer.read(min(size, self._left)):
                    self._at, self._left = self._at + len(part), self._left - len(part)
                    return part
            except (OSError, http.client.HTTPException):
                pass
            self._resume()
        return b""

    def close(self) -> None:
        self._answer.close()

    def _resume(self) -> None:
        self._answer.close()
        self._resumes += 1
        if self._resumes > _RESUMES:
            raise StoreError("StoreUnreachable", f"{self._name} breaks off again and again at byte {self._at}")
        self._answer = self._requests.open("GET", self._name, {}, more={"Range": f"bytes={self._at}-", "If-Match": self._tag})


def _mark(body: bytes, name: str) -> str:
    """Where the next page of a listing begins; "" on the last one."""
    if next((each.text for each in elements(body, "IsTruncated")), "") != "true":
        return ""
    told = "NextKeyMarker" if name == "key-marker" else "NextUploadIdMarker"
    return next((each.text or "" for each in elements(body, told)), "")


def _completion(tags: list[str]) -> bytes:
    parts = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>" for number, tag in enumerate(tags, 1))
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


__all__ = ["S3Place", "S3Store"]
