"""Sets of pods that run for good: Deployments, StatefulSets, DaemonSets and what is beside them."""
