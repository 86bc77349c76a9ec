"""Which registry an image name means to the builder, and what it asks the platform's own."""

import http.client
import json
import time
from pathlib import Path
from typing import Any

from pilothouse.platform.builds.inside.settings import Settings

READY_WITHIN_S = 1200.0
_ACCEPT = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, */*"


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


def wait_for_bases(settings: Settings) -> bool:
    """Until the controller has said that the base images are there; False when it has not in time."""
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        try:
            if _ask(settings, "HEAD", f"/v2/bases/ready/manifests/{settings.uid}")[0] == 200:
                return True
        except OSError:
            pass
        time.sleep(0.05)
    return False


def document(settings: Settings, path: str) -> dict[str, Any]:
    """A JSON document of the platform's registry. Raises OSError when it cannot be had."""
    status, body = _ask(settings, "GET", path)
    if status != 200:
        raise OSError(f"the registry at {settings.registry} answered {status} to {path}")
    found: dict[str, Any] = json.loads(body)
    return found


def _ask(settings: Settings, method: str, path: str) -> tuple[int, bytes]:
    """Without the proxies of the environment: the registry is the platform's own."""
    connection = http.client.HTTPConnection(settings.registry, timeout=30)
    try:
        connection.request(method, path, headers={"Accept": _ACCEPT})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"the registry at {settings.registry} answers no HTTP") from error
    finally:
        connection.close()


def write(settings: Settings, path: Path = Path("/etc/containers/registries.conf")) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(configuration(settings))
