"""Where the servers of databases get their images."""

from pilothouse.model.errors import ApiError
from pilothouse.oci.packages.programs import ImageError as ProgramImageError
from pilothouse.oci.packages.programs import ProgramImages
from pilothouse.platform.databases.mysql.images import Ensure, Image, ImageError


def image_source(mariadb: ProgramImages | None) -> Ensure:
    """mariadb: what makes images from the packages of this machine's distribution; None on a cluster that is not ours."""

    async def ensure(flavour: str, version: str) -> Image:
        if flavour != "mariadb":
            raise ImageError(f"there is no image of flavour {flavour} with an agent: use flavour mariadb")
        if mariadb is None:
            raise ImageError("images of databases are made on the embedded engine alone: run the instance there")
        try:
            found = await mariadb.ensure(version)
        except (ProgramImageError, ApiError) as error:
            raise ImageError(str(error)) from error
        return Image(found.name, found.version)

    return ensure
