"""Benchmarks: `python -m bench [NAME...]` prints one JSON object on standard output, progress on standard error.

Each module here but `__main__` is one benchmark with an `async def run(context) -> Figures`; its docstring says what it measures and what
it compares with. What they stand on is in `bench.rig`. docs/performance.md says how the figures are read.
"""

NAMES = (
    "boot",
    "memory",
    "store",
    "api",
    "fairness",
    "hostile",
    "churn",
    "watch",
    "objects",
    "pods",
    "pod_network",
    "volumes",
    "scheduler",
    "simulation",
    "workloads",
    "services",
    "backends",
    "policy",
    "dns",
    "autoscaling",
    "recovery",
    "full_node",
    "build",
    "databases",
    "operator",
)
