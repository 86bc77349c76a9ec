"""Replica sets: as many pods of one template as were asked for."""
