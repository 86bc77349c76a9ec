"""The controllers of the engine, on one set of caches."""

import asyncio
import time
from collections.abc import Callable

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.parts import Runnable
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.deployment import DeploymentController
from pilothouse.engine.controllers.endpoints import EndpointsController
from pilothouse.engine.controllers.endpointslice import EndpointSliceController
from pilothouse.engine.controllers.garbage import GarbageCollector
from pilothouse.engine.controllers.job import JobController
from pilothouse.engine.controllers.namespace import NamespaceController
from pilothouse.engine.controllers.node import NodeLifecycleController
from pilothouse.engine.controllers.replicaset import ReplicaSetController
from pilothouse.engine.controllers.serviceaccount import ServiceAccountController

Clients = Callable[[str], Client]
"""A client for the name of a service account in kube-system: that of a controller of upstream's, or of a part of one that has its own."""


def makers(
    clients: Clients, informers: Informers, recorder: Recorder, *, root_ca: str = "", clock: Callable[[], float] = time.time
) -> dict[str, Callable[[], Runnable]]:
    """Name -> how to build that controller. informers, recorder: run by the caller, after all are built once.

    Each controller writes as itself and may write what its role says; all read from `informers`, and speak through `recorder`.
    root_ca: PEM text that every namespace gets as `kube-root-ca.crt`.
    """
    named = recorder.named
    accounts, publisher = clients("service-account-controller"), clients("root-ca-cert-publisher")
    jobs, expiry = clients("job-controller"), clients("ttl-after-finished-controller")
    return {
        "serviceaccount-controller": lambda: ServiceAccountController(
            accounts, publisher, informers, named("serviceaccount-controller"), root_ca
        ),
        "namespace-controller": lambda: NamespaceController(
            clients("namespace-controller"), informers, named("namespace-controller"), clock
        ),
        "deployment-controller": lambda: DeploymentController(
            clients("deployment-controller"), informers, named("deployment-controller"), clock
        ),
        "replicaset-controller": lambda: ReplicaSetController(
            clients("replicaset-controller"), informers, named("replicaset-controller"), clock
        ),
        "job-controller": lambda: JobController(jobs, expiry, informers, named("job-controller"), clock),
        "endpoint-slice-controller": lambda: EndpointSliceController(
            clients("endpointslice-controller"), informers, named("endpoint-slice-controller")
        ),
        "endpoint-controller": lambda: EndpointsController(clients("endpoint-controller"), informers, named("endpoint-controller")),
        "node-controller": lambda: NodeLifecycleController(clients("node-controller"), informers, named("node-controller"), clock),
        "garbage-collector": lambda: GarbageCollector(
            clients("generic-garbage-collector"), informers, named("garbage-collector-controller")
        ),
    }


class Controllers:
    """All of them as one component, for where they need not fail alone."""

    def __init__(
        self, clients: Clients, informers: Informers, recorder: Recorder, *, root_ca: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        made = makers(clients, informers, recorder, root_ca=root_ca, clock=clock)
        self._controllers = {name: make() for name, make in made.items()}

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Until cancelled; ready: when each has its caches and works."""
        async with scope() as tasks:
            for name, controller in self._controllers.items():
                await tasks.start(controller.run, name=name)
            if ready is not None:
                ready.set()
