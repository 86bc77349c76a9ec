"""Routes to the pods of other nodes, as the Node objects say."""

from pilothouse.network.routes.config import NodeRoutesConfig
from pilothouse.network.routes.controller import NodeRoutes

__all__ = ["NodeRoutes", "NodeRoutesConfig"]
