"""What MariaDB's configuration file says, and how its error log reads. Pure."""

import re
from collections.abc import Mapping

from pilothouse.platform.databases.inside.agent.dialects import common
from pilothouse.platform.databases.inside.agent.dialects.seam import ErrorLog, Options
from pilothouse.platform.databases.inside.agent.sizing import sizes

_DEFAULTS = {
    **common.DEFAULTS,
    "collation-server": "utf8mb4_unicode_ci",
    "aria-pagecache-buffer-size": "8M",
}
_FIXED = {
    **common.FIXED,
    "skip-external-locking": "ON",
    "skip-symbolic-links": "ON",
    "feedback": "OFF",
    # replication
    "log-slave-updates": "ON",
    "gtid-strict-mode": "ON",
    "gtid-domain-id": "0",
    "read-only": "ON",
    "skip-slave-start": "ON",
    "slave-net-timeout": "3",
    "slave-parallel-threads": "0",  # the agent raises it: 10.11 crashes with more while it applies a relay log by file
    "slave-parallel-mode": "optimistic",
    "rpl-semi-sync-master-enabled": "OFF",
    "rpl-semi-sync-slave-enabled": "OFF",
    "rpl-semi-sync-slave-kill-conn-timeout": "1",  # so long it takes to cease to receive from a primary that hangs
    "rpl-semi-sync-master-wait-point": "AFTER_SYNC",
    "rpl-semi-sync-master-timeout": "18446744073709551615",
}


def _sized(memory_bytes: int, volume_bytes: int) -> Mapping[str, str]:
    of_memory = sizes(memory_bytes, volume_bytes)
    return {
        "innodb-buffer-pool-size": str(of_memory.buffer_pool),
        "innodb-log-file-size": str(of_memory.redo_log),
        "max-connections": str(of_memory.connections),
        "table-open-cache": str(of_memory.table_cache),
        "table-definition-cache": str(of_memory.table_cache),
    }


def _recovery(truncates: bool) -> Mapping[str, str]:
    return {"init-rpl-role": "SLAVE" if truncates else "MASTER"}


OPTIONS = Options("mariadbd", _DEFAULTS, _FIXED, _sized, _recovery)
ERROR_LOG = ErrorLog(
    line=re.compile(r"^\S+ +\S+ +\d+ \[(?:ERROR|FATAL)\] (.*)$"),
    start="] Starting MariaDB",
    untruncated="Cannot truncate the binary log",
)
