"""An embedded Kubernetes: store, API server, scheduler, controllers and node agent in one process.

Only `boot` knows all of them. Scheduler, controllers and node are clients of the API like any other; the API server alone
opens the store.
"""
