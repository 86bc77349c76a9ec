"""A storage driver for tests: real gRPC over a unix socket, real folders, faults on demand."""
