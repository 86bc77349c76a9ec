"""Snapshots of volumes: their kinds, what binds them to their contents, and who takes them."""
