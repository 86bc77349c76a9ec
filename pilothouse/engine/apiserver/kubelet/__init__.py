"""The API server's way to a node in another process."""
