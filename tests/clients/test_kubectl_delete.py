import pytest

from tests.clients.kubectl import Api, Kubectl
from tests.clients.objects import config_map, deployment, pod


def test_delete_waits_until_the_pod_is_gone(kubectl: Kubectl) -> None:
    kubectl.apply(pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    assert kubectl("delete", "pod", "calm") == f'pod "calm" deleted from {kubectl.namespace} namespace\n'
    assert "NotFound" in kubectl.refused("get", "pod", "calm")


def test_delete_now_and_by_force(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one"), pod("two"))
    kubectl("delete", "pod", "one", "--now")
    kubectl("delete", "pod", "two", "--grace-period=0", "--force")
    assert kubectl("get", "pods", "-o", "name") == ""


def test_delete_by_label_leaves_the_others(kubectl: Kubectl) -> None:
    kubectl.apply(pod("one", tier="front"), pod("two", tier="back"))
    kubectl("delete", "pods", "-l", "tier=front")
    assert kubectl("get", "pods", "-o", "name") == "pod/two\n"


def test_delete_all_empties_the_namespace_of_a_kind(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("one"), config_map("two"), pod("calm"))
    kubectl("delete", "pods", "--all")
    assert kubectl("get", "pods", "-o", "name") == ""
    assert len(kubectl("get", "cm", "-o", "name").split()) == 3


def rolled_out(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")


def test_background_cascade_removes_the_dependents_afterwards(kubectl: Kubectl, api: Api) -> None:
    rolled_out(kubectl)
    kubectl("delete", "deployment", "web")
    kubectl("wait", "--for=delete", "replicaset,pod", "-l", "app=web", "--timeout=15s")


def test_foreground_cascade_removes_the_dependents_first(kubectl: Kubectl) -> None:
    rolled_out(kubectl)
    kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=15s")
    assert kubectl("get", "replicasets", "-o", "name") == ""


def test_orphans_stay_without_an_owner(kubectl: Kubectl) -> None:
    rolled_out(kubectl)
    kubectl("delete", "deployment", "web", "--cascade=orphan", "--timeout=15s")
    kubectl("wait", "--for=jsonpath={.spec.replicas}=1", "replicaset", "-l", "app=web", "--timeout=15s")
    (left,) = kubectl.json("get", "replicasets")["items"]
    assert "ownerReferences" not in left["metadata"]


def test_an_object_with_a_finalizer_stays_until_it_is_removed(kubectl: Kubectl) -> None:
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    kubectl.apply(held)
    kubectl("delete", "cm", "held", "--wait=false")
    assert kubectl.json("get", "cm", "held")["metadata"]["deletionTimestamp"]
    kubectl("patch", "cm", "held", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
    assert "NotFound" in kubectl.refused("get", "cm", "held")


def test_delete_of_what_is_not_there_fails_unless_told_otherwise(kubectl: Kubectl) -> None:
    assert "NotFound" in kubectl.refused("delete", "pod", "nobody")
    assert kubectl("delete", "pod", "nobody", "--ignore-not-found") == ""


def test_server_dry_run_of_delete_deletes_nothing(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings"))
    kubectl("delete", "cm", "settings", "--dry-run=server")
    assert kubectl("get", "cm", "settings", "-o", "name") == "configmap/settings\n"


def test_delete_of_a_namespace_takes_what_is_in_it(kubectl: Kubectl, api: Api) -> None:
    kubectl.apply(deployment("web"), config_map("settings"))
    kubectl("delete", "namespace", kubectl.namespace, "--timeout=20s")
    assert api.get(f"/api/v1/namespaces/{kubectl.namespace}/pods")["items"] == []


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_the_clusters_own_namespaces_cannot_be_deleted(kubectl: Kubectl, name: str) -> None:
    assert "Forbidden" in kubectl.refused("delete", "namespace", name)
