"""What turns a cluster into a platform: one folder a capability, which meet only through API objects.

A capability is `types.py` (its custom resources), `plan.py` (pure: wanted and actual -> changes), `controller.py` (its
reconciler) and an edge module for each outside program. All of it is a client of the API and runs on any Kubernetes.
"""
