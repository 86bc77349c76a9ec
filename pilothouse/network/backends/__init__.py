"""How packets of this node's pods reach the pods of other nodes: a setting chooses one of several back ends."""

from pilothouse.network.backends.component import NodeBackends
from pilothouse.network.backends.config import BackendConfig

__all__ = ["BackendConfig", "NodeBackends"]
