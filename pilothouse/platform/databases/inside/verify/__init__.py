"""A backup restored into a server of its own and compared with what it recorded."""
