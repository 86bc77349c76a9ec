"""MariaDB, from 10.11 on."""

from pilothouse.platform.databases.inside.agent.dialects.mariadb import accounts, copies, replication, sessions
from pilothouse.platform.databases.inside.agent.dialects.mariadb.look import look
from pilothouse.platform.databases.inside.agent.dialects.mariadb.options import ERROR_LOG, OPTIONS
from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect

DIALECT = Dialect(
    program="mariadbd",
    options=OPTIONS,
    error_log=ERROR_LOG,
    look=look,
    replication=replication,
    copies=copies,
    accounts=accounts,
    reload_tls="FLUSH LOCAL SSL",
    position="SELECT @@global.gtid_binlog_pos, ''",
    report=(
        "SET @rpl_semi_sync_slave = 1, @master_binlog_checksum = 'CRC32', @mariadb_slave_capability = 4, "
        "@master_heartbeat_period = 500000000"
    ),
    gate=sessions.GATE,
    variables=(
        "SELECT LOWER(VARIABLE_NAME) AS name, GLOBAL_VALUE AS value, "
        "VARIABLE_TYPE LIKE '%%INT%%' OR VARIABLE_TYPE = 'DOUBLE' AS is_numeric "
        "FROM information_schema.SYSTEM_VARIABLES WHERE FIND_IN_SET(LOWER(VARIABLE_NAME), %s)"
    ),
    end_idle=sessions.end_idle,
    take_back=None,
    keeps_received=False,
    follows_anybody=False,
)
