"""kubectl top, and kubectl on autoscalers."""

from tests.clients.kubectl import Kubectl
from tests.clients.node import NAME
from tests.clients.objects import deployment, pod
from tests.clients.test_kubectl_describe import described


def test_top_shows_what_nodes_and_pods_use(kubectl: Kubectl) -> None:
    kubectl.apply(pod("calm", tier="front"), pod("other"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "pod/other", "--timeout=15s")
    assert kubectl("top", "nodes", "--no-headers").split() == [NAME, "2000m", "25%", "4096Mi", "25%"]
    lines = [line.split() for line in kubectl("top", "pods", "--no-headers", "--sort-by=cpu").splitlines()]
    assert sorted(lines) == [["calm", "250m", "64Mi"], ["other", "250m", "64Mi"]]
    containers = kubectl("top", "pods", "--containers", "-l", "tier=front", "--no-headers").split()
    assert (containers[0], containers[2:]) == ("calm", ["250m", "64Mi"])
    assert "calm" in kubectl("top", "pod", "calm")
    assert 'podmetrics.metrics.k8s.io "' in kubectl.refused("top", "pod", "nobody") or "not found" in kubectl.refused(
        "top", "pod", "nobody"
    )


def test_autoscale_makes_an_autoscaler_that_get_and_describe_show(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web", replicas=1))
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    kubectl("set", "resources", "deployment/web", "--requests=cpu=1")
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    kubectl("autoscale", "deployment", "web", "--min=2", "--max=4", "--cpu=50%")
    kubectl("wait", "--for=jsonpath={.spec.replicas}=2", "deployment/web", "--timeout=15s")
    assert "Deployment/web" in kubectl("get", "hpa", "web", "--no-headers")
    text = kubectl("describe", "hpa", "web")
    assert described(text, "Reference") == "Deployment/web"
    assert (described(text, "Min replicas"), described(text, "Max replicas")) == ("2", "4")
    assert "New size: 2; reason: Current number of replicas below Spec.MinReplicas" in text
    assert kubectl("get", "horizontalpodautoscalers.v1.autoscaling", "web", "-o", "jsonpath={.spec.targetCPUUtilizationPercentage}") == "50"
    kubectl("delete", "hpa", "web")
