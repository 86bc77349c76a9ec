"""Where the servers of databases get their images."""

from collections.abc import Mapping

from pilothouse.oci.inspect import Inspected, InspectError, MissingImage, digest_of, inspect
from pilothouse.oci.packages.programs import PACKAGE_LABEL, VERSION_LABEL, Image, ImageError, ProgramImages
from pilothouse.oci.packages.tags import upstream
from pilothouse.platform.databases.mysql.images import Asked, Ensure

_VERSIONS = {"mariadb": "MARIADB_VERSION", "mysql": "MYSQL_VERSION"}
"""The variables by which the public images of each flavour say theirs."""


def image_source(programs: Mapping[str, ProgramImages] | None, registry: str) -> Ensure:
    """programs: what makes images from packages, by flavour; None on a cluster that is not ours. registry: the platform's own."""

    async def ensure(asked: Asked) -> Image:
        if asked.image:
            return await _named(asked, is_own=bool(registry) and asked.image.startswith(f"{registry}/"))
        if programs is None:
            raise ImageError("images of databases are made on the embedded engine alone: name one of a registry with spec.image")
        try:
            return await programs[asked.flavour].ensure(asked.version)
        except ImageError as error:
            raise ImageError(f"{error}; or name one of a registry with --image") from error

    return ensure


async def _named(asked: Asked, *, is_own: bool) -> Image:
    """An image of a registry by its digest. What the platform cannot look at nodes may still be able to pull. Raises ImageError."""
    try:
        found = await inspect(asked.image, plain=is_own)
    except MissingImage as error:
        raise ImageError(f"the image {asked.image} cannot be had: {error}; name one that is there with --image") from error
    except InspectError as error:
        if digest_of(asked.image):
            return Image(asked.image, "")
        raise ImageError(f"the image {asked.image} cannot be looked at: {error}; name it by its digest, as NAME@sha256:...") from error
    return Image(found.reference, version_of(found, asked.flavour))


def version_of(found: Inspected, flavour: str) -> str:
    """Of the server in an image; "" where it does not say. Raises ImageError for another flavour's."""
    for other, name in _VERSIONS.items():
        if name in found.env and other != flavour:
            raise ImageError(f"the image {found.reference} is of flavour {other}: name one of flavour {flavour}")
    own = found.labels.get(VERSION_LABEL, "") if PACKAGE_LABEL in found.labels else ""
    return upstream(found.env.get(_VERSIONS[flavour], "")) or own
