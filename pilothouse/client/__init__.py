"""How everything reads and writes the cluster: transport, typed verbs, informers, work queues, controller loops.

The parts of floor 3 know a cluster only through this package, so each runs on the embedded engine (in-process
transport) and on any real cluster (HTTPS transport) alike.
"""
