from collections.abc import Iterator

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.node import NAME
from tests.clients.objects import deployment

DRAIN = ("drain", NAME, "--pod-selector=app=guarded")


@pytest.fixture(autouse=True)
def node_in_service_again(kubectl: Kubectl) -> Iterator[None]:
    """The other tests need the node."""
    yield
    kubectl("uncordon", NAME)


def test_drain_waits_for_the_budget_and_goes_on_when_it_has_room(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("guarded", replicas=2))
    kubectl("create", "pdb", "guard", "--selector=app=guarded", "--min-available=2")
    kubectl("rollout", "status", "deployment/guarded", "--timeout=15s")
    kubectl("wait", "--for=jsonpath={.status.currentHealthy}=2", "pdb/guard", "--timeout=15s")
    assert kubectl("get", "pdb", "guard", "--no-headers").split()[:4] == ["guard", "2", "N/A", "0"]
    said = kubectl.refused(*DRAIN, "--timeout=1s")
    assert "Cannot evict pod as it would violate the pod's disruption budget." in said
    before = {pod["metadata"]["name"] for pod in kubectl.json("get", "pods")["items"]}
    kubectl("patch", "pdb", "guard", "--type=merge", "--patch", '{"spec":{"minAvailable":0}}')
    kubectl("wait", "--for=jsonpath={.status.disruptionsAllowed}=2", "pdb/guard", "--timeout=15s")
    kubectl(*DRAIN, "--timeout=15s")
    assert not before & {pod["metadata"]["name"] for pod in kubectl.json("get", "pods")["items"]}
