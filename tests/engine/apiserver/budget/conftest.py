"""A server as it runs, that collects garbage as a server does, and does not print what it would log of a fault at length."""

import gc
from collections.abc import Iterator

import pytest
import structlog

from pilothouse.aio import collector
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.budget.small import SMALL, definition

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@pytest.fixture(autouse=True)
def collected_as_in_a_server() -> Iterator[None]:
    before = gc.get_threshold()
    collector.restrain()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.fixture(autouse=True)
def short_log() -> Iterator[None]:
    """As the daemon writes it: the default shows the variables of each frame, a body of 100 KB in every one."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture
async def opened(api: Api) -> Api:
    """With a custom kind that takes whatever it is given, and a small object of the kinds that subresources are about."""
    await api.post(CRDS, definition("opens", "Open", _OPEN))
    for name in ("configmaps", "pods", "serviceaccounts"):
        await api.post(f"/api/v1/namespaces/default/{name}", SMALL[name])
    await api.post("/apis/apps/v1/namespaces/default/deployments", SMALL["deployments.apps"])
    return api
