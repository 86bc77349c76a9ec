"""Volumes that lie on this node: made, grown, mounted and removed, each kept to its size."""
