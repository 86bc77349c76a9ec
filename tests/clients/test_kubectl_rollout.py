from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.node import MISSING_IMAGE
from tests.clients.objects import deployment, pod


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    """A Deployment of two pods that has been rolled out."""
    kubectl.apply(deployment("web", replicas=2))
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    return kubectl


def test_rollout_status_follows_until_all_are_new(web: Kubectl) -> None:
    web("set", "image", "deployment/web", "main=nginx:2")
    assert 'deployment "web" successfully rolled out' in web("rollout", "status", "deployment/web", "--timeout=15s")


def test_rollout_status_of_a_stuck_rollout_gives_up_in_time(web: Kubectl) -> None:
    web("set", "image", "deployment/web", f"main={MISSING_IMAGE}")
    assert "timed out waiting for the condition" in web.refused("rollout", "status", "deployment/web", "--timeout=1s")
    assert web.json("get", "deployment", "web")["status"]["availableReplicas"] == 2


def test_rollout_history_lists_revisions_with_their_causes(web: Kubectl) -> None:
    web("set", "image", "deployment/web", "main=nginx:2")
    web("annotate", "deployment/web", "kubernetes.io/change-cause=newer image")
    web("rollout", "status", "deployment/web", "--timeout=15s")
    text = web("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in text.splitlines() if line[:1].isdigit()] == ["1", "2"]
    assert "newer image" in text
    assert "nginx:1" in web("rollout", "history", "deployment/web", "--revision=1")


def test_rollout_undo_goes_back_to_the_revision_before(web: Kubectl) -> None:
    web("set", "image", "deployment/web", "main=nginx:2")
    web("rollout", "status", "deployment/web", "--timeout=15s")
    assert web("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    web("rollout", "status", "deployment/web", "--timeout=15s")
    assert web("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}").split()[0] == "nginx:1"


def test_rollout_undo_to_a_named_revision(web: Kubectl) -> None:
    for image in ("nginx:2", "nginx:3"):
        web("set", "image", "deployment/web", f"main={image}")
        web("rollout", "status", "deployment/web", "--timeout=15s")
    web("rollout", "undo", "deployment/web", "--to-revision=1")
    assert web("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "nginx:1"


def test_rollout_restart_replaces_every_pod(web: Kubectl) -> None:
    before = set(web("get", "pods", "-o", "name").split())
    web("rollout", "restart", "deployment/web")
    web("rollout", "status", "deployment/web", "--timeout=15s")
    web("wait", "--for=delete", *before, "--timeout=15s")
    assert before.isdisjoint(web("get", "pods", "-o", "name").split())


def test_paused_rollout_waits_for_resume(web: Kubectl) -> None:
    web("rollout", "pause", "deployment/web")
    web("set", "image", "deployment/web", "main=nginx:2")
    reason = 'jsonpath={.status.conditions[?(@.type=="Progressing")].reason}'
    web("wait", f"--for={reason}=DeploymentPaused", "deployment/web", "--timeout=15s")
    assert len(web("get", "replicasets", "-o", "name").split()) == 1
    web("rollout", "resume", "deployment/web")
    web("rollout", "status", "deployment/web", "--timeout=15s")
    assert len(web("get", "replicasets", "-o", "name").split()) == 2


def test_scale_changes_the_number_of_pods(web: Kubectl) -> None:
    assert web("scale", "deployment/web", "--replicas=4") == "deployment.apps/web scaled\n"
    web("wait", "--for=jsonpath={.status.readyReplicas}=4", "deployment/web", "--timeout=15s")
    web("scale", "deployment/web", "--replicas=0")
    web("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=15s")


def test_scale_with_a_precondition_that_does_not_hold_changes_nothing(web: Kubectl) -> None:
    assert "Expected replicas to be 5" in web.refused("scale", "deployment/web", "--current-replicas=5", "--replicas=1")
    assert web.json("get", "deployment", "web")["spec"]["replicas"] == 2


def test_wait_for_a_condition_ends_when_it_holds(kubectl: Kubectl) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(kubectl, "wait", "--for=create", "pod/late", "--timeout=15s")
        kubectl.apply(pod("late"))
        assert waiting.result() == "pod/late condition met\n"
    assert kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=15s") == "pod/late condition met\n"


def test_wait_that_runs_out_says_so(kubectl: Kubectl) -> None:
    kubectl.apply(pod("stuck", image=MISSING_IMAGE))
    said = kubectl.refused("wait", "--for=condition=Ready", "pod/stuck", "--timeout=1s")
    assert "timed out waiting for the condition on pods/stuck" in said
