"""A cluster with the load balancer controller alone, under its own rights; the node's part is played."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.loadbalancer.controller import LoadBalancerController
from pilothouse.model import meta
from pilothouse.model.kinds import CRDS, NAMESPACES
from pilothouse.model.load_balancers import L2ADVERTISEMENTS, NAMESPACE
from tests.engine.controllers.conftest import Cluster, held
from tests.people import ADMIN, CONTROLLER_MANAGER, client_of, controller_client, refused_parts

NETWORKS = ("10.244.0.0/16", "10.96.0.0/16")


@asynccontextmanager
async def balanced(server: ApiServer) -> AsyncIterator[Cluster]:
    manager = client_of(server, CONTROLLER_MANAGER)
    informers, recorder = Informers(manager), Recorder(manager, None, "controllers")
    controller = LoadBalancerController(controller_client(server, "load-balancer-controller"), informers, recorder, NETWORKS)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        tasks.spawn(informers.run())
        await tasks.start(controller.run)
        found = Cluster(client_of(server, ADMIN), informers)
        await found.until_one(CRDS, L2ADVERTISEMENTS.group_resource, lambda each: meta.is_true(each, "Established"))
        await found.until_one(NAMESPACES, NAMESPACE, lambda _: True)
        yield found
        tasks.cancel()
    assert not refused_parts(server)


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    async with held(balanced(server)) as found:
        yield found
