"""Options that servers of all flavours have under one name, and one value that we give them. Pure."""

DEFAULTS = {
    "character-set-server": "utf8mb4",
    "performance-schema": "OFF",
    "innodb-buffer-pool-load-at-startup": "OFF",
    "innodb-buffer-pool-dump-at-shutdown": "OFF",
    "key-buffer-size": "1M",
    "thread-cache-size": "32",
    "slow-query-log": "ON",
    "long-query-time": "1",
    "binlog-expire-logs-seconds": "0",  # the agent removes them, see `changes`
    "max-binlog-size": "128M",
    "log-bin-trust-function-creators": "ON",  # the log has rows: what functions and triggers have changed, and not their text
    "max-allowed-packet": "64M",
    "sync-relay-log": "1",  # an acknowledged transaction is on two disks
}
"""A parameter may change them."""
FIXED = {
    "default-storage-engine": "InnoDB",
    "skip-name-resolve": "ON",
    "local-infile": "OFF",
    "innodb-flush-log-at-trx-commit": "1",
    "sync-binlog": "1",
    "innodb-doublewrite": "ON",
    "log-bin": "binlog",
    "log-bin-index": "binlog.index",
    "relay-log": "relay",
    "relay-log-index": "relay.index",
    "relay-log-recovery": "OFF",  # what was acknowledged may lie there alone
    "binlog-format": "ROW",
    "require-secure-transport": "ON",
    "tls-version": "TLSv1.2,TLSv1.3",
}
"""What keeps promises, and who may connect."""
