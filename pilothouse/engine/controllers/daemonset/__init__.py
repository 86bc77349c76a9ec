"""Daemon sets: a pod on every node that fits."""
