"""Tries the way to other nodes with real packets, when a node comes and now and then."""

from pilothouse.network.backends.selftest.component import SelfTest

__all__ = ["SelfTest"]
