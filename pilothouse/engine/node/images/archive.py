"""Images made out of nothing: one static binary in an OCI archive, for the sandbox and for the smallest of tools.

No registry and no build tool is needed to boot a node. Archives are byte for byte the same for the same binary.
"""

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
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
    said = subprocess.run(["busybox", "--list"], capture_output=True, check=True, timeout=10).stdout.decode()
    links = {f"bin/{applet}": "busybox" for applet in said.split() if applet != "busybox"}
    config = {"Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    write_archive(path, name, {"bin/busybox": _program("busybox")}, links, config)


async def load_archive(socket: Path, path: Path) -> None:
    """Imports an archive into containerd under the name that it carries. Raises ProcessFailed."""
    ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io", "images", "import", str(path)]
    (await run(ctr, timeout_s=600)).check()


def _program(name: str) -> bytes:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {name if name != 'busybox' else 'busybox-static'}")
    return Path(found).read_bytes()


def write_archive(path: Path, name: str, files: Mapping[str, bytes], links: Mapping[str, str], config: Object) -> None:
    """An OCI archive with one layer. files: path -> content, executable; links: path -> target; config: as in the OCI image spec."""
    layer = _layer(files, links)
    digest = _digest(layer)
    image = dumps({"architecture": _architecture(), "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [digest]}})
    manifest = dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": _digest(image), "size": len(image)},
            "layers": [{"mediaType": LAYER, "digest": digest, "size": len(layer)}],
        }
    )
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    pointer = {"mediaType": MANIFEST, "digest": _digest(manifest), "size": len(manifest), "annotations": annotations}
    blobs = [(f"blobs/sha256/{_digest(blob)[7:]}", blob) for blob in (layer, image, manifest)]
    index = dumps({"schemaVersion": 2, "manifests": [pointer]})
    _write_tar(path, [("oci-layout", dumps({"imageLayoutVersion": "1.0.0"})), ("index.json", index), *blobs])


def _architecture() -> str:
    machine = Path("/proc/sys/kernel/arch").read_text().strip() if Path("/proc/sys/kernel/arch").exists() else "x86_64"
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            archive.addfile(_member(name, len(data), 0o644), io.BytesIO(data))


def _layer(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    folders = sorted({str(parent) for name in (*files, *links) for parent in Path(name).parents if str(parent) != "."} | {"tmp", "etc"})
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in folders:
            entry = _member(folder, 0, 0o1777 if folder == "tmp" else 0o755)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, data in files.items():
            archive.addfile(_member(name, len(data), 0o755), io.BytesIO(data))
        for name, target in links.items():
            entry = _member(name, 0, 0o777)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    return entry
