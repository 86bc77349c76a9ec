"""A small client of the OCI distribution protocol: blobs and manifests in and out of a registry.

Source trees travel as artifacts with one layer, base images as images whose layer stays uncompressed: on one machine the
time to compress and expand costs more than the bytes.
Source: OCI Distribution Specification 1.1, OCI Image Specification 1.1.
"""

import asyncio
import hashlib
import json
import platform
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import aiohttp

from pilothouse.model.errors import ApiError, NotFound, Unavailable
from pilothouse.model.json import Object

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
_ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST))
_CHUNK = 1 << 20
_CREATED = "1970-01-01T00:00:00Z"
"""The same for every image: what an image holds is its identity, not when it was made."""


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


class Registry:
    """One registry, by `host:port` over plain HTTP on this machine or by an https URL. Use as an async context manager."""

    def __init__(self, address: str) -> None:
        self.url = address if "://" in address else f"http://{address}"
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600, sock_connect=5))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def _send(self, method: str, path: str, ok: tuple[int, ...], **options: Any) -> tuple[int, Mapping[str, str], bytes]:
        try:
            async with self._session.request(method, urljoin(self.url, path), **options) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the registry at {self.url} cannot be reached: {error}") from error
        if answer.status == 404 and 404 not in ok:
            raise NotFound(f"the registry at {self.url} has no {path.removeprefix('/v2/')}")
        if answer.status not in ok:
            raise ApiError(f"the registry at {self.url} answered {answer.status} to {method} {path}: {body[:200].decode(errors='replace')}")
        return answer.status, answer.headers, body

    async def ping(self) -> None:
        """Raises Unavailable while the registry does not answer."""
        await self._send("GET", "/v2/", (200,))

    async def has_blob(self, repository: str, digest: str) -> bool:
        status, _, _ = await self._send("HEAD", f"/v2/{repository}/blobs/{digest}", (200, 404))
        return status == 200

    async def put_blob(self, repository: str, data: bytes | Path, digest: str) -> int:
        """Upload unless it is there; returns its size in bytes."""
        size = _size(data)
        if await self.has_blob(repository, digest):
            return size
        _, headers, _ = await self._send("POST", f"/v2/{repository}/blobs/uploads/", (202,))
        location = headers["Location"]
        target = f"{location}{'&' if '?' in location else '?'}digest={digest}"
        body: bytes | AsyncIterator[bytes] = data if isinstance(data, bytes) else _pieces(data)
        sent = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        await self._send("PUT", target, (201,), data=body, headers=sent)
        return size

    async def put_manifest(self, repository: str, reference: str, manifest: Object) -> str:
        """Returns the manifest's digest."""
        body = json.dumps(manifest, separators=(",", ":")).encode()
        await self._send(
            "PUT", f"/v2/{repository}/manifests/{reference}", (201,), data=body, headers={"Content-Type": manifest["mediaType"]}
        )
        return digest_of(body)

    async def manifest(self, repository: str, reference: str) -> tuple[str, Object]:
        """(digest, manifest); raises NotFound."""
        _, _, body = await self._send("GET", f"/v2/{repository}/manifests/{reference}", (200,), headers={"Accept": _ACCEPT})
        return digest_of(body), json.loads(body)

    async def has_manifest(self, repository: str, reference: str) -> bool:
        status, _, _ = await self._send("HEAD", f"/v2/{repository}/manifests/{reference}", (200, 404), headers={"Accept": _ACCEPT})
        return status == 200

    async def digest(self, repository: str, reference: str) -> str:
        """The digest of a manifest; "" when there is none."""
        path = f"/v2/{repository}/manifests/{reference}"
        status, headers, _ = await self._send("HEAD", path, (200, 404), headers={"Accept": _ACCEPT})
        return headers.get("Docker-Content-Digest", "") if status == 200 else ""

    async def blob(self, repository: str, digest: str) -> bytes:
        _, _, body = await self._send("GET", f"/v2/{repository}/blobs/{digest}", (200,))
        return body

    async def delete_manifest(self, repository: str, digest: str) -> None:
        """Deleting what is gone already is no error."""
        await self._send("DELETE", f"/v2/{repository}/manifests/{digest}", (202, 404))

    async def repositories(self) -> list[str]:
        return await self._pages("/v2/_catalog?n=500", "repositories")

    async def tags(self, repository: str) -> list[str]:
        try:
            return await self._pages(f"/v2/{repository}/tags/list?n=500", "tags")
        except NotFound:
            return []

    async def _pages(self, path: str, field: str) -> list[str]:
        found: list[str] = []
        while path:
            _, headers, body = await self._send("GET", path, (200,))
            found += json.loads(body).get(field) or []
            link = headers.get("Link", "")
            path = link[link.find("<") + 1 : link.find(">")] if link else ""
        return found

    async def push_artifact(self, repository: str, tag: str, layer: Path) -> str:
        """A gzipped tar as an artifact with one layer; returns the layer's digest (the name under which it can be fetched)."""
        digest = await asyncio.to_thread(digest_of_file, layer)
        size = await self.put_blob(repository, layer, digest)
        empty = await self.put_blob(repository, b"{}", digest_of(b"{}"))
        manifest = _manifest(EMPTY, digest_of(b"{}"), empty, [(LAYER_GZIP, digest, size)])
        await self.put_manifest(repository, tag, manifest)
        return digest

    async def push_image(self, repository: str, tag: str, rootfs: Path, config: Object) -> str:
        """An image with one uncompressed layer (a tar); config: the image's `config` object. Returns the manifest's digest."""
        layer = await asyncio.to_thread(digest_of_file, rootfs)
        size = await self.put_blob(repository, rootfs, layer)
        document = {
            "architecture": architecture(),
            "created": _CREATED,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer]},
            # Builders count the layers by it, and compare its times when they look for a layer of an earlier build.
            "history": [{"created": _CREATED, "created_by": "distribution packages"}],
        }
        encoded = json.dumps(document).encode()
        config_digest = digest_of(encoded)
        await self.put_blob(repository, encoded, config_digest)
        return await self.put_manifest(repository, tag, _manifest(CONFIG, config_digest, len(encoded), [(LAYER_TAR, layer, size)]))


def _size(data: bytes | Path) -> int:
    return len(data) if isinstance(data, bytes) else data.stat().st_size


def architecture() -> str:
    """This machine's architecture by the names of OCI (and Go)."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _manifest(config_type: str, config: str, config_size: int, layers: list[tuple[str, str, int]]) -> Object:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": config_type, "digest": config, "size": config_size},
        "layers": [{"mediaType": kind, "digest": digest, "size": size} for kind, digest, size in layers],
    }


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _CHUNK):
            yield piece
