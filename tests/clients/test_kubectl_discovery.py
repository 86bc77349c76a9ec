import re
from collections.abc import Iterator

import pytest

from tests.clients.kubectl import Kubectl, documents
from tests.clients.objects import boat, boats, pod


def test_version_tells_the_served_kubernetes(kubectl: Kubectl) -> None:
    version = kubectl.json("version")["serverVersion"]
    assert version["gitVersion"].startswith("v1.36.")
    assert re.fullmatch("[0-9a-f]{40}", version["gitCommit"])


def test_cluster_info_names_the_address(kubectl: Kubectl) -> None:
    assert "Kubernetes control plane" in kubectl("cluster-info")


def test_api_versions_lists_each_group_once(kubectl: Kubectl) -> None:
    listed = kubectl("api-versions").split()
    assert {"v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "apiextensions.k8s.io/v1"} <= set(listed)
    assert len(listed) == len(set(listed))


def test_api_resources_shows_short_names_and_verbs(kubectl: Kubectl) -> None:
    lines = kubectl("api-resources", "--no-headers", "-o", "wide").splitlines()
    rows = {line.split()[0]: line.split() for line in lines if "metrics.k8s.io" not in line}
    assert rows["pods"][1:4] == ["po", "v1", "true"]
    assert rows["nodes"][1:4] == ["no", "v1", "false"]
    assert rows["deployments"][5] == "create,delete,deletecollection,get,list,patch,update,watch"


def test_api_resources_by_group_and_scope(kubectl: Kubectl) -> None:
    assert set(kubectl("api-resources", "--api-group=apps", "-o", "name").split()) == {
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "controllerrevisions.apps",
    }
    assert "namespaces" in kubectl("api-resources", "--namespaced=false", "-o", "name").split()


def test_explain_describes_a_field(kubectl: Kubectl) -> None:
    text = kubectl("explain", "pod.spec.containers.imagePullPolicy")
    assert "FIELD: imagePullPolicy <string>" in text
    assert "One of Always, Never, IfNotPresent" in text


def test_explain_recursive_lists_every_field(kubectl: Kubectl) -> None:
    text = kubectl("explain", "deployment.spec", "--recursive")
    assert "rollingUpdate" in text
    assert "terminationGracePeriodSeconds" in text


def test_explain_of_an_unknown_field_names_it(kubectl: Kubectl) -> None:
    assert 'field "colour" does not exist' in kubectl.refused("explain", "pod.spec.colour")


def test_events_are_listed_for_an_object(kubectl: Kubectl) -> None:
    kubectl.apply(pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    kubectl("wait", "--for=jsonpath={.reason}=Scheduled", "event", "--all", "--timeout=15s")
    text = kubectl("events", "--for", "pod/calm")
    assert "Scheduled" in text
    assert "pod/calm" in text.lower()


@pytest.fixture
def fleet(kubectl: Kubectl) -> Iterator[Kubectl]:
    """With a custom resource of the test's own: its plural is the namespace's name with an s."""
    plural = f"{kubectl.namespace}s"
    kubectl.apply(boats(plural))
    kubectl("wait", "--for=condition=Established", f"crd/{plural}.{plural}.example.com", "--timeout=15s")
    yield kubectl
    kubectl("delete", "crd", f"{plural}.{plural}.example.com", "--wait=false", "--ignore-not-found")


def plural_of(fleet: Kubectl) -> str:
    return f"{fleet.namespace}s"


def test_custom_resource_is_shown_with_its_printer_columns(fleet: Kubectl) -> None:
    plural = plural_of(fleet)
    fleet.apply(boat("anna", plural, crew=3))
    heading, row = fleet("get", plural).splitlines()
    assert heading.split() == ["NAME", "CREW", "AGE"]
    assert row.split()[:2] == ["anna", "3"]
    assert fleet("get", plural, "-o", "wide").splitlines()[1].split()[:3] == ["anna", "3", "main"]


def test_custom_resource_is_applied_edited_and_deleted_like_any_other(fleet: Kubectl) -> None:
    plural = plural_of(fleet)
    assert "created" in fleet.apply(boat("anna", plural))
    assert "unchanged" in fleet.apply(boat("anna", plural))
    assert "configured" in fleet.apply(boat("anna", plural, crew=4))
    fleet("patch", plural, "anna", "--type=merge", "-p", '{"spec": {"sail": "jib"}}')
    assert fleet.json("get", plural, "anna")["spec"] == {"crew": 4, "sail": "jib"}
    fleet("delete", plural, "anna")
    assert fleet("get", plural, "-o", "name") == ""


def test_custom_resource_scales_through_its_subresource(fleet: Kubectl) -> None:
    plural = plural_of(fleet)
    fleet.apply(boat("anna", plural))
    fleet("scale", f"{plural}/anna", "--replicas=5")
    assert fleet.json("get", plural, "anna")["spec"]["crew"] == 5


def test_explain_knows_the_custom_resource(fleet: Kubectl) -> None:
    text = fleet("explain", f"{plural_of(fleet)}.spec")
    assert "What the boat is to be." in text
    assert "How many are on board." in text
    assert "ropes" in fleet("explain", plural_of(fleet), "--recursive")


def test_custom_resource_against_its_schema_is_refused(fleet: Kubectl) -> None:
    plural = plural_of(fleet)
    assert "spec.crew: Invalid value: 0" in fleet.refused("create", "-f", "-", stdin=documents(boat("anna", plural, crew=0)))
    assert 'Unsupported value: "spinnaker"' in fleet.refused("create", "-f", "-", stdin=documents(boat("anna", plural, sail="spinnaker")))
    assert 'unknown field "spec.mast"' in fleet.refused("create", "-f", "-", stdin=documents(boat("anna", plural, mast=1)))


def test_discovery_follows_a_definition_at_once(fleet: Kubectl) -> None:
    plural = plural_of(fleet)
    assert fleet("api-resources", f"--api-group={plural}.example.com", "-o", "name").split() == [f"{plural}.{plural}.example.com"]
    assert "CustomResourceDefinition" in fleet("describe", "crd", f"{plural}.{plural}.example.com")


def test_deleting_a_definition_removes_its_objects(fleet: Kubectl) -> None:
    plural = plural_of(fleet)
    fleet.apply(boat("anna", plural))
    fleet("delete", "crd", f"{plural}.{plural}.example.com", "--timeout=15s")
    assert "could not find the requested resource" in fleet.refused("get", "--raw", f"/apis/{plural}.example.com/v1/{plural}")
