"""What MySQL's configuration file says, and how its error log reads. Pure.

Names are those of 8.0.26 and later, which 8.4 has too.
"""

import re
from collections.abc import Mapping

from pilothouse.platform.databases.inside.agent.dialects import common
from pilothouse.platform.databases.inside.agent.dialects.seam import ErrorLog, Options
from pilothouse.platform.databases.inside.agent.sizing import MIB, sizes

_SERVER = 130 * MIB
"""Of a server with few connections and without the performance schema, which takes 100 to 230 MiB more (measured, 8.0.46)."""
_CHUNK = 16 * MIB
"""The buffer pool grows and shrinks by it, and takes more than it is told to where that is no multiple."""
_DEFAULTS = {
    **common.DEFAULTS,
    "collation-server": "utf8mb4_0900_ai_ci",
    "event-scheduler": "OFF",  # as MariaDB's: an event is switched off at a replica and stays so when that becomes the primary
    "replica-parallel-workers": "4",
}
_FIXED = {
    **common.FIXED,
    "mysqlx": "OFF",
    "persisted-globals-load": "OFF",  # what somebody has set for good beside the operator
    "plugin-load-add": "auth_socket.so;semisync_source.so;semisync_replica.so;mysql_clone.so",
    "innodb-buffer-pool-chunk-size": str(_CHUNK),
    "innodb-buffer-pool-instances": "1",
    # replication
    "log-replica-updates": "ON",
    "gtid-mode": "ON",
    "enforce-gtid-consistency": "ON",
    "super-read-only": "ON",
    "skip-replica-start": "ON",
    "replica-net-timeout": "3",
    "replica-preserve-commit-order": "ON",
    "loose-rpl-semi-sync-source-enabled": "OFF",
    "loose-rpl-semi-sync-replica-enabled": "OFF",
    "loose-rpl-semi-sync-source-wait-point": "AFTER_SYNC",
    "loose-rpl-semi-sync-source-wait-for-replica-count": "1",
    "loose-rpl-semi-sync-source-wait-no-replica": "ON",
    "loose-rpl-semi-sync-source-timeout": "4294967295",  # milliseconds, 49 days: more it does not take
    # who may connect
    "auto-generate-certs": "OFF",
    "caching-sha2-password-auto-generate-rsa-keys": "OFF",
    "loose-sha256-password-auto-generate-rsa-keys": "OFF",
}


def _sized(memory_bytes: int, volume_bytes: int) -> Mapping[str, str]:
    of_memory = sizes(memory_bytes, volume_bytes, server_bytes=_SERVER)
    return {
        "innodb-buffer-pool-size": str(max(_CHUNK, of_memory.buffer_pool // _CHUNK * _CHUNK)),
        "innodb-redo-log-capacity": str(of_memory.redo_log),
        "max-connections": str(of_memory.connections),
        "table-open-cache": str(of_memory.table_cache),
        "table-definition-cache": str(of_memory.table_cache),
    }


def _recovery(truncates: bool) -> Mapping[str, str]:
    """Recovery takes nothing back that is in the log: see `recovery`."""
    return {}


OPTIONS = Options("mysqld", _DEFAULTS, _FIXED, _sized, _recovery)
ERROR_LOG = ErrorLog(
    line=re.compile(r"^\S+ \d+ \[ERROR\] \[\S+\] \[\S+\] (.*)$"),
    start=" starting as process ",
    untruncated="",
)
