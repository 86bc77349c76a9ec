"""The official Python client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward, stream

from tests.clients.kubectl import Kubectl
from tests.clients.objects import boat, boats, deployment, pod
from tests.clients.ports import WAIT_S, echo, everything, greet, listening

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("leftovers_collected")]


@pytest.fixture
def connection(kubeconfig: Path) -> Iterator[client.ApiClient]:
    connect: Any = config.new_client_from_config
    with connect(str(kubeconfig)) as made:
        yield made


@pytest.fixture
def core(connection: client.ApiClient) -> Any:
    return client.CoreV1Api(connection)


def test_official_client_creates_reads_patches_and_deletes(core: Any, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings"), data={"a": "1"}))
    assert made.metadata.uid
    core.patch_namespaced_config_map("settings", namespace, {"data": {"b": "2"}})
    assert core.read_namespaced_config_map("settings", namespace).data == {"a": "1", "b": "2"}
    core.delete_namespaced_config_map("settings", namespace)
    with pytest.raises(ApiException) as refused:
        core.read_namespaced_config_map("settings", namespace)
    assert refused.value.status == 404


def test_official_client_reads_models_of_every_kind_it_lists(connection: client.ApiClient, namespace: str) -> None:
    apps: Any = client.AppsV1Api(connection)
    batch: Any = client.BatchV1Api(connection)
    core: Any = client.CoreV1Api(connection)
    apps.create_namespaced_deployment(namespace, deployment("web"))
    assert apps.list_namespaced_deployment(namespace).items[0].spec.replicas == 1
    assert core.list_node().items[0].status.node_info.kubelet_version
    assert core.list_namespace(limit=2).metadata._continue
    assert batch.list_namespaced_job(namespace).items == []
    assert client.NetworkingV1Api(connection).list_namespaced_ingress(namespace).items == []


def test_official_client_watches_from_a_list(core: Any, namespace: str) -> None:
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "one"}})
    core.delete_namespaced_config_map("one", namespace)
    watcher: Any = watch.Watch  # untyped
    changes = watcher().stream(core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=10)
    first, second = next(changes), next(changes)
    assert [(change["type"], change["object"].metadata.name) for change in (first, second)] == [("ADDED", "one"), ("DELETED", "one")]
    changes.close()


def test_official_client_execs_over_its_websocket(core: Any, kubectl: Kubectl) -> None:
    core.create_namespaced_pod(kubectl.namespace, pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    connect = core.connect_get_namespaced_pod_exec
    said = stream(connect, "calm", kubectl.namespace, command=["echo", "hello"], stdout=True, stderr=True, stdin=False, tty=False)
    assert said == "hello\n"


def test_official_client_forwards_ports_over_its_websocket(core: Any, kubectl: Kubectl) -> None:
    core.create_namespaced_pod(kubectl.namespace, pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    forward: Any = portforward
    with listening(echo) as lasting, listening(greet) as brief:
        forwarding = forward(core.connect_get_namespaced_pod_portforward, "calm", kubectl.namespace, ports=f"{lasting},{brief}")
        assert said_by(forwarding, brief, 9) == b"good day\n"
        forwarding.socket(lasting).sendall(b"hello")
        assert said_by(forwarding, lasting, 5) == b"hello"
        assert forwarding.error(lasting) is None
        forwarding.close()


def said_by(forwarding: Any, port: int, size: int) -> bytes:
    connection = forwarding.socket(port)
    connection.settimeout(WAIT_S)
    said: bytes = connection.recv(size)
    return said


def test_official_client_learns_that_the_pod_has_hung_up(core: Any, kubectl: Kubectl) -> None:
    core.create_namespaced_pod(kubectl.namespace, pod("calm"))
    kubectl("wait", "--for=condition=Ready", "pod/calm", "--timeout=15s")
    forward: Any = portforward
    with listening(greet) as port:
        forwarding = forward(core.connect_get_namespaced_pod_portforward, "calm", kubectl.namespace, ports=str(port))
        with forwarding.socket(port)._socket as connection:
            connection.settimeout(WAIT_S)
            assert everything(connection) == b"good day\n"


def test_official_client_scales_and_reads_the_scale(connection: client.ApiClient, namespace: str) -> None:
    apps: Any = client.AppsV1Api(connection)
    apps.create_namespaced_deployment(namespace, deployment("web"))
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    assert apps.read_namespaced_deployment_scale("web", namespace).spec.replicas == 2


def test_official_client_reviews_access(connection: client.ApiClient, namespace: str) -> None:
    attributes = client.V1ResourceAttributes(namespace=namespace, verb="list", resource="pods")
    review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes))
    authorization: Any = client.AuthorizationV1Api(connection)
    assert authorization.create_self_subject_access_review(review).status.allowed


def test_dynamic_client_finds_a_custom_resource(connection: client.ApiClient, kubectl: Kubectl) -> None:
    plural = f"{kubectl.namespace}s"
    kubectl.apply(boats(plural))
    kubectl("wait", "--for=condition=Established", f"crd/{plural}.{plural}.example.com", "--timeout=15s")
    resources: Any = dynamic.DynamicClient(connection).resources  # type: ignore[no-untyped-call]
    boat_api = resources.get(api_version=f"{plural}.example.com/v1", kind=boat("", plural)["kind"])
    boat_api.create(body=boat("anna", plural), namespace=kubectl.namespace)
    assert boat_api.get(name="anna", namespace=kubectl.namespace).spec.sail == "main"
    kubectl("delete", "crd", f"{plural}.{plural}.example.com", "--wait=false")
