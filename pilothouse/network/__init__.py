"""Connections: between pods and the world (`pod`), to services (`service`), and their names (`dns`).

The three parts know nothing of one another. Each is a reconciler or server with one module, `kernel.py` where there is one,
that touches the machine; `teardown()` takes away all that the part has put there.
"""
