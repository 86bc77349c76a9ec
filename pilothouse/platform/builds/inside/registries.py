"""Which registry an image name means to the builder, and which files of the host's settings its steps see."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pilothouse.platform.builds.inside.settings import Settings

_MOUNTS = (
    ("ca.crt", "/run/pilothouse-ca.crt"),
    ("pip.conf", "/etc/pip.conf"),
    ("npmrc", "/etc/npmrc"),
    ("apt.conf", "/etc/apt/apt.conf.d/95pilothouse"),
)
READY_WITHIN_S = 1200.0
_ACCEPT = "application/vnd.oci.image.manifest.v1+json"


def configuration(settings: Settings) -> str:
    """The text of registries.conf."""
    lines = ['unqualified-search-registries = ["docker.io"]', *_registry(settings.registry, settings.registry)]
    if settings.stand_ins:
        lines += _registry("docker.io", f"{settings.registry}/bases/docker.io")
    elif settings.mirror:
        lines += [
            "[[registry]]",
            'prefix = "docker.io"',
            'location = "docker.io"',
            "[[registry.mirror]]",
            f'location = "{settings.mirror}"',
        ]
    return "".join(f"{line}\n" for line in lines)


def _registry(prefix: str, location: str) -> list[str]:
    return ["[[registry]]", f'prefix = "{prefix}"', f'location = "{location}"', "insecure = true"]


def mounts(settings: Settings) -> Iterator[str]:
    """Options that show the host's mirrors and certificates to the steps without leaving them in the image."""
    for name, inside in _MOUNTS:
        path = settings.environment / name
        if path.is_file() and path.stat().st_size:
            yield from ("--volume", f"{path}:{inside}:ro")


def wait_for_bases(settings: Settings) -> bool:
    """Until the controller has said that the base images are there; False when it has not in time."""
    request = urllib.request.Request(
        f"http://{settings.registry}/v2/bases/ready/manifests/{settings.uid}", method="HEAD", headers={"Accept": _ACCEPT}
    )
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10):
                return True
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    return False


def write(settings: Settings, path: Path = Path("/etc/containers/registries.conf")) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(configuration(settings))
