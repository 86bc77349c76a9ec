import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.node import MISSING_IMAGE, NAME
from tests.clients.objects import deployment, ingress, pod, service


def described(text: str, section: str) -> str:
    """The rest of the line that begins with the section's name."""
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.strip().startswith(f"{section}:"))


def test_describe_pod_shows_state_node_and_events(kubectl: Kubectl) -> None:
    kubectl.apply(pod("calm", tier="front"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    text = kubectl("describe", "pod", "calm")
    assert described(text, "Node") == f"{NAME}/127.0.0.1"
    assert described(text, "Status") == "Running"
    assert described(text, "Labels") == "tier=front"
    assert described(text, "State") == "Running"
    assert "kube-api-access-" in text
    assert f"Successfully assigned {kubectl.namespace}/calm to {NAME}" in text


def test_describe_pod_says_why_it_waits(kubectl: Kubectl) -> None:
    kubectl.apply(pod("stuck", image=MISSING_IMAGE))
    kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff", "pod/stuck", "--timeout=15s")
    assert described(kubectl("describe", "pod", "stuck"), "Reason") == "ImagePullBackOff"


def test_describe_deployment_counts_replicas_and_names_its_sets(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web", replicas=2))
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    text = kubectl("describe", "deployment", "web")
    assert described(text, "Replicas") == "2 desired | 2 updated | 2 total | 2 available | 0 unavailable"
    assert described(text, "NewReplicaSet").startswith("web-")
    assert "Scaled up replica set web-" in text


def test_describe_service_lists_its_endpoints(kubectl: Kubectl, api: object) -> None:
    kubectl.apply(service("web"), deployment("web"))
    kubectl("wait", "--for=jsonpath={.endpoints[0].conditions.ready}=true", "endpointslice", "-l", "kubernetes.io/service-name=web")
    text = kubectl("describe", "service", "web")
    address = kubectl("get", "pod", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}")
    assert described(text, "Endpoints") == f"{address}:8080"
    assert described(text, "Selector") == "app=web"


def test_describe_node_shows_capacity_and_the_pods_on_it(kubectl: Kubectl) -> None:
    kubectl.apply(pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    text = kubectl("describe", "node", NAME)
    assert described(text, "memory") == "16Gi"
    assert any(line.split()[:2] == [kubectl.namespace, "calm"] for line in text.splitlines())


def test_describe_ingress_shows_its_rules(kubectl: Kubectl) -> None:
    kubectl.apply(service("web"), ingress("web", "shop.example.com"))
    text = kubectl("describe", "ingress", "web")
    assert "shop.example.com" in text
    assert "web:80" in text


def test_describe_secret_hides_its_values(kubectl: Kubectl) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"password": "sesame"}})
    text = kubectl("describe", "secret", "key")
    assert described(text, "password") == "6 bytes"
    assert "sesame" not in text


@pytest.mark.parametrize("resource", ["namespaces", "serviceaccounts", "replicasets", "jobs", "endpointslices", "roles", "limitranges"])
def test_describe_of_a_whole_kind_succeeds(kubectl: Kubectl, resource: str) -> None:
    kubectl("describe", resource)
