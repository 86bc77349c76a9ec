"""What the scheduler knows: nodes, the pods on them, and counts of pods by topology that are kept as pods come and go.

It is the live state, not a copy: a decision is synchronous, so nothing changes while it looks.
"""
