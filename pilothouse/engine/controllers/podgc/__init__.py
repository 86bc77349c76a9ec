"""Garbage among pods: those that nobody is left to end, and the oldest of very many that have ended."""
