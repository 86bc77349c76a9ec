"""What a member measures of itself, in Prometheus' text format and under the names of mysqld_exporter, where that has one."""
