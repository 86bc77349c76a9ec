"""By which names pods ask to be placed, and where a cluster says which there are."""

DEFAULT_SCHEDULER = "default-scheduler"
"""For pods that name none."""
SCHEDULERS = "pilothouse-schedulers"
"""ConfigMap in kube-public: `names` of the schedulers that the control plane has, separated by spaces."""
