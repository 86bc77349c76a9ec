"""Checks of containers from outside: probes and lifecycle hooks, over HTTP, TCP, gRPC and by command."""
