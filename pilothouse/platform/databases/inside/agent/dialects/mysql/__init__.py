"""MySQL, 8.0 and 8.4."""

from pilothouse.platform.databases.inside.agent.dialects.mysql import accounts, copies, replication, sessions
from pilothouse.platform.databases.inside.agent.dialects.mysql.look import look
from pilothouse.platform.databases.inside.agent.dialects.mysql.options import ERROR_LOG, OPTIONS
from pilothouse.platform.databases.inside.agent.dialects.mysql.recovery import take_back
from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect

DIALECT = Dialect(
    program="mysqld",
    options=OPTIONS,
    error_log=ERROR_LOG,
    look=look,
    replication=replication,
    copies=copies,
    accounts=accounts,
    reload_tls="ALTER INSTANCE RELOAD TLS",
    position="SELECT @@global.gtid_executed, @@global.server_uuid",
    report=(
        "SET @rpl_semi_sync_replica = 1, @rpl_semi_sync_slave = 1, @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32', "
        "@source_heartbeat_period = 500000000, @master_heartbeat_period = 500000000, @replica_uuid = UUID(), @slave_uuid = @replica_uuid"
    ),
    gate=sessions.GATE,
    variables=(
        "SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value, MAX_VALUE <> '0' AS is_numeric FROM performance_schema.global_variables "
        "JOIN performance_schema.variables_info USING (VARIABLE_NAME) WHERE FIND_IN_SET(VARIABLE_NAME, %s)"
    ),
    end_idle=sessions.end_idle,
    take_back=take_back,
    keeps_received=True,
    follows_anybody=True,
)
