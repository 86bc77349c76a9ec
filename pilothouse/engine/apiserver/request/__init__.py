"""A request as it is read: its path, query, headers and body, up to a decoded value."""
