"""What differs between the flavours of servers that an agent can run: `seam` has what each must give, the folders have how."""

from pilothouse.platform.databases.inside.agent.dialects import mariadb, mysql
from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect

DIALECTS: dict[str, Dialect] = {"mariadb": mariadb.DIALECT, "mysql": mysql.DIALECT}
"""By flavour."""


def of(flavour: str) -> Dialect:
    """Raises KeyError for one that is not known; `main` asks once before anything else does."""
    return DIALECTS[flavour]
