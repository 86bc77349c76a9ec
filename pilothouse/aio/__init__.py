"""Pieces of asyncio that know nothing of Kubernetes: task scopes, back-off, clocks, child processes.

Tasks are created here and nowhere else, so each has an owner that outlives it.
"""
