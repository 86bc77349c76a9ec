"""Binds claims to volumes, has volumes made for claims, and reclaims what claims have left."""
