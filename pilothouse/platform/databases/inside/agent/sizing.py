"""How a server's memory is shared out. Pure, so that the same figures hold at start and at run time."""

from dataclasses import dataclass

MIB = 1 << 20
SERVER = 90 * MIB
"""Code, dictionary, log buffers and the threads of an idle server: MariaDB's, measured."""
_A_CONNECTION = MIB  # stack, network and sort buffers of one that works
_LEAST_POOL = 16 * MIB
_LEAST_REDO = 16 * MIB


@dataclass(frozen=True, slots=True)
class Sizes:
    """buffer_pool: bytes. connections: at most. table_cache: open tables. redo_log: bytes, counts after a restart."""

    buffer_pool: int
    connections: int
    table_cache: int
    redo_log: int


def sizes(memory_bytes: int, volume_bytes: int, server_bytes: int = SERVER) -> Sizes:
    """memory_bytes: the container's limit. A quarter of what the server leaves is for connections, the rest for the buffer pool.

    volume_bytes: of which the redo log takes a tenth at most. server_bytes: what the server itself takes.
    """
    free = max(0, memory_bytes - server_bytes)
    connections = min(2000, max(30, free // 4 // _A_CONNECTION))
    pool = max(_LEAST_POOL, (free * 7 // 10) // MIB * MIB)
    redo = max(_LEAST_REDO, min(1024 * MIB, pool // 2, volume_bytes // 10) // MIB * MIB)
    return Sizes(pool, connections, min(4000, max(400, connections * 2)), redo)
