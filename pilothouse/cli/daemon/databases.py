"""Where the servers of databases get their images."""

from pilothouse.oci.packages.programs import Image, ImageError, ProgramImages
from pilothouse.platform.databases.mysql.images import Ensure


def image_source(mariadb: ProgramImages | None) -> Ensure:
    """mariadb: what makes images from the packages of this machine's distribution; None on a cluster that is not ours."""

    async def ensure(flavour: str, version: str) -> Image:
        if flavour != "mariadb":
            raise ImageError(f"there is no image of flavour {flavour} with an agent: use flavour mariadb")
        if mariadb is None:
            raise ImageError("images of databases are made on the embedded engine alone: run the instance there")
        return await mariadb.ensure(version)

    return ensure
