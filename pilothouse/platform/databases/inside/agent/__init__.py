"""The agent beside each server: it alone starts, seeds, configures, promotes, fences and stops it.

The operator puts a `wanted` document. The agent compares it with what it sees, again and again, takes one step at a time towards it and
tells what it sees as `state`. What it must not forget lies on the volume: the highest term that it obeyed. Everything else is seen anew.
"""
