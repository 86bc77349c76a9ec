"""Images made out of nothing: one static binary in an OCI archive, for the sandbox and for the smallest of tools.

No registry and no build tool is needed to boot a node. Archives are byte for byte the same for the same binary.
"""

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.aio.process import run
from pilothouse.model.json import Object, dumps

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def pause_archive(path: Path, name: str) -> None:
    """An image whose only program waits for a signal and reaps orphans: catatonit. Raises FileNotFoundError without it."""
    write_archive(path, name, {"pause": _program("catatonit")}, {}, {"Entrypoint": ["/pause", "-P"]})


def busybox_archive(path: Path, name: str) -> None:
    """busybox under all the names that it answers to; runs a shell by default."""
    config = {"Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    write_images(path, [ImageContent(name, [busybox_layer()], config)])


def busybox_layer() -> bytes:
    """A tar of busybox and its names. Raises FileNotFoundError without it."""
    said = subprocess.run(["busybox", "--list"], capture_output=True, check=True, timeout=10).stdout.decode()
    links = {f"bin/{applet}": "busybox" for applet in said.split() if applet != "busybox"}
    return make_layer({"bin/busybox": _program("busybox")}, links)


async def load_archive(socket: Path, path: Path) -> None:
    """Imports an archive into containerd under the name that it carries. Raises ProcessFailed."""
    ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images", "import", str(path)]
    (await run(ctr, timeout_s=600)).check()


def _program(name: str) -> bytes:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {name if name != 'busybox' else 'busybox-static'}")
    return Path(found).read_bytes()


@dataclass(frozen=True, slots=True)
class ImageContent:
    """One image of an archive. layers: uncompressed tars, lowest first; config: as in the OCI image spec."""

    name: str
    layers: Sequence[bytes]
    config: Object


def write_archive(path: Path, name: str, files: Mapping[str, bytes], links: Mapping[str, str], config: Object) -> None:
    """One image of one layer. files: path -> content, executable; links: path -> target; config: as in the OCI image spec."""
    write_images(path, [ImageContent(name, [make_layer(files, links)], config)])


def write_images(path: Path, images: Sequence[ImageContent]) -> None:
    """An OCI archive with several images; a layer that several of them have lies in it once."""
    blobs: dict[str, bytes] = {}
    index = dumps({"schemaVersion": 2, "manifests": [_add_image(each, blobs) for each in images]})
    members = [(f"blobs/sha256/{digest[7:]}", blob) for digest, blob in blobs.items()]
    _write_tar(path, [("oci-layout", dumps({"imageLayoutVersion": "1.0.0"})), ("index.json", index), *members])


def _add_image(image: ImageContent, blobs: dict[str, bytes]) -> Object:
    """The image's entry in the index, with its blobs added."""

    def add(media_type: str, blob: bytes) -> Object:
        digest = _digest(blob)
        blobs[digest] = blob
        return {"mediaType": media_type, "digest": digest, "size": len(blob)}

    layers = [add(LAYER, layer) for layer in image.layers]
    root = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    config = add(CONFIG, dumps({"architecture": _architecture(), "os": "linux", "config": image.config, "rootfs": root}))
    manifest = dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    annotations = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name.rpartition(":")[2]}
    return {**add(MANIFEST, manifest), "annotations": annotations}


def _architecture() -> str:
    machine = Path("/proc/sys/kernel/arch").read_text().strip() if Path("/proc/sys/kernel/arch").exists() else "x86_64"
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            archive.addfile(_member(name, len(data), 0o644), io.BytesIO(data))


def make_layer(files: Mapping[str, bytes], links: Mapping[str, str], modes: Mapping[str, int] | None = None) -> bytes:
    """A tar. files: path -> content; links: path -> target; modes: of files that are not to be 0755."""
    buffer = io.BytesIO()
    folders = sorted({str(parent) for name in (*files, *links) for parent in Path(name).parents if str(parent) != "."} | {"tmp", "etc"})
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in folders:
            entry = _member(folder, 0, 0o1777 if folder == "tmp" else 0o755)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, data in files.items():
            archive.addfile(_member(name, len(data), (modes or {}).get(name, 0o755)), io.BytesIO(data))
        for name, target in links.items():
            entry = _member(name, 0, 0o777)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    return entry
