"""What programs of Jobs need of a flavour of servers: its own programs, and how its copies and logs are taken."""

import shutil

from pilothouse.platform.databases.inside.tools.mariadb import MARIADB
from pilothouse.platform.databases.inside.tools.mysql import MYSQL
from pilothouse.platform.databases.inside.tools.seam import Tools

__all__ = ["Tools", "of_image"]


def of_image() -> Tools:
    """A Job runs in the image of its instance, which has the programs of one flavour."""
    return MARIADB if shutil.which(MARIADB.server[0]) else MYSQL
