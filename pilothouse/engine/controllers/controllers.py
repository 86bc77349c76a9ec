"""All controllers of the engine as one component, on one set of caches."""

import asyncio
import time
from collections.abc import Callable

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
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


class Controllers:
    """informers, recorder: run by the caller, after this is built. root_ca: PEM text that every namespace gets as `kube-root-ca.crt`."""

    def __init__(
        self, client: Client, informers: Informers, recorder: Recorder, *, root_ca: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._controllers = (
            ServiceAccountController(client, informers, recorder.named("serviceaccount-controller"), root_ca),
            NamespaceController(client, informers, recorder.named("namespace-controller"), clock),
            DeploymentController(client, informers, recorder.named("deployment-controller"), clock),
            ReplicaSetController(client, informers, recorder.named("replicaset-controller"), clock),
            JobController(client, informers, recorder.named("job-controller"), clock),
            EndpointSliceController(client, informers, recorder.named("endpoint-slice-controller")),
            EndpointsController(client, informers, recorder.named("endpoint-controller")),
            NodeLifecycleController(client, informers, recorder.named("node-controller"), clock),
            GarbageCollector(client, informers, recorder.named("garbage-collector-controller")),
        )

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Until cancelled; ready: when each has its caches and works."""
        async with scope() as tasks:
            for controller in self._controllers:
                await tasks.start(controller.run, name=type(controller).__name__)
            if ready is not None:
                ready.set()
