"""Where an image keeps files that the app it runs as has no volume for: its own VOLUME lines, or what is known of its family."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pilothouse.cli.apps.origin import repository
from pilothouse.cli.session import copyable
from pilothouse.model import meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.platform.apps.volumes import spec
from pilothouse.platform.builds.resource import BUILDS

if TYPE_CHECKING:
    from pilothouse.client.client import Client

KNOWN: Mapping[str, str] = {
    "cassandra": "/var/lib/cassandra",
    "ghost": "/var/lib/ghost/content",
    "mariadb": "/var/lib/mysql",
    "mongo": "/data/db",
    "mysql": "/var/lib/mysql",
    "nextcloud": "/var/www/html",
    "rabbitmq": "/var/lib/rabbitmq",
    "redis": "/data",
    "registry": "/var/lib/registry",
    "valkey": "/data",
    "wordpress": "/var/www/html",
}
"""VOLUME of official images that are run as they are: nothing here has read their configuration."""
_POSTGRES, _POSTGRES_BEFORE_18 = "/var/lib/postgresql", "/var/lib/postgresql/data"


async def hints(client: "Client", app: Object) -> list[str]:
    """A sentence for each folder whose files go with the replica though the image declares it to be kept."""
    try:
        paths = await _declared(client, app)
    except Forbidden:
        return []
    return [_hint(app, path) for path in uncovered(app, paths)]


async def _declared(client: "Client", app: Object) -> list[str]:
    name = (app.get("status") or {}).get("build")
    if not name or not app["spec"].get("source"):
        return known(app["spec"].get("image") or "")
    build = await client.get_or_none(BUILDS, name, meta.namespace(app)) or {}
    found: list[str] = ((build.get("status") or {}).get("image") or {}).get("volumes") or []
    return found


def known(image: str) -> list[str]:
    """By the image's name and, where that matters, its tag."""
    family = repository(image).rpartition("/")[2]
    if family == "postgres":
        tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        number = re.match(r"\d+", tag)
        return [_POSTGRES_BEFORE_18 if number and int(number[0]) < 18 else _POSTGRES]
    return [KNOWN[family]] if family in KNOWN else []


def uncovered(app: Object, paths: Iterable[str]) -> list[str]:
    """Those of the paths that lie in no volume of the app, and have none inside."""
    mounted = [f"{volume.path.rstrip('/')}/" for volume in spec.of(app)]
    found = [path.rstrip("/") for path in paths]
    return [path for path in found if not any(f"{path}/".startswith(each) or each.startswith(f"{path}/") for each in mounted)]


def _hint(app: Object, path: str) -> str:
    taken = app["spec"].get("volumes") or {}
    name = next(name for name in ("data", "files", *(f"data-{n}" for n in range(2, 100))) if name not in taken)
    way = copyable(f"deploy ... --volume {name}:{path}", meta.namespace(app))
    return f"what {meta.name(app)} writes to {path}, a VOLUME of its image, goes with the replica: `{way}` keeps it"
