"""The controllers of the engine: each brings one part of the cluster's state to what its objects ask for.

They are clients like any other and know each other only through objects. One module a controller; where the decision is more than a
screen, a pure `..._plan` beside it. All are level-triggered: a change says where to look, the caches say what is so.
"""
