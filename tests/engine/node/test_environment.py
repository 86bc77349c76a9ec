import pytest

from pilothouse.engine.node.pod.environment import ConfigMissing, Facts, environment, expand, service_variables
from tests.engine.node.builders import pod, spec

SERVICE = {
    "metadata": {"name": "db-main", "namespace": "ns"},
    "spec": {"clusterIP": "10.1.1.1", "ports": [{"name": "sql", "port": 3306}, {"name": "x-rpc", "port": 33060, "protocol": "UDP"}]},
}


def test_expansion_leaves_unknown_names_and_unescapes_dollars() -> None:
    assert expand("$(A)-$(B)-$$(A)-$A-$(", {"A": "1"}) == "1-$(B)-$(A)-$A-$("


def test_later_variables_may_use_earlier_ones() -> None:
    wanted = spec(
        env=[{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"}, {"name": "C", "value": "$(D)"}, {"name": "D", "value": "x"}]
    )
    assert environment(pod(wanted), wanted, Facts()) == {"A": "1", "B": "12", "C": "$(D)", "D": "x"}


def test_sources_come_before_single_variables() -> None:
    wanted = spec(
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}], env=[{"name": "k", "value": "own"}]
    )
    facts = Facts(configmaps={"c": {"data": {"a": "1"}}}, secrets={"s": {"data": {"k": "dg=="}}})
    assert environment(pod(wanted), wanted, facts) == {"P_a": "1", "k": "own"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "c", "key": "k"}}, 'configmap "c" not found'),
        ({"secretKeyRef": {"name": "s", "key": "k"}}, "couldn't find key k in Secret ns/s"),
    ],
)
def test_what_is_missing_is_named(source: dict[str, object], message: str) -> None:
    wanted = spec(env=[{"name": "A", "valueFrom": source}])
    with pytest.raises(ConfigMissing, match=message):
        environment(pod(wanted), wanted, Facts(secrets={"s": {"data": {}}}))


def test_what_is_optional_may_be_missing() -> None:
    wanted = spec(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}}])
    assert environment(pod(wanted), wanted, Facts()) == {}


def test_fields_of_the_pod_and_its_limits() -> None:
    fields = {"N": "metadata.name", "IP": "status.podIP", "L": "metadata.labels['app']"}
    env = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
    env += [{"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}]
    env += [{"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]
    wanted = spec(env=env, resources={"limits": {"memory": "100Mi"}})
    whole = pod(wanted)
    whole["metadata"]["labels"] = {"app": "web"}
    facts = Facts(pod_ips=("10.0.0.9",), allocatable={"cpu": "1500m"})
    assert environment(whole, wanted, facts) == {"N": "p", "IP": "10.0.0.9", "L": "web", "M": "100", "C": "2"}


def test_services_are_named_as_docker_links_once_were() -> None:
    found = service_variables(pod(), [SERVICE])
    assert found["DB_MAIN_SERVICE_HOST"] == "10.1.1.1"
    assert found["DB_MAIN_SERVICE_PORT_X_RPC"] == "33060"
    assert found["DB_MAIN_PORT"] == "tcp://10.1.1.1:3306"
    assert found["DB_MAIN_PORT_33060_UDP_PROTO"] == "udp"


def test_links_can_be_switched_off_but_for_the_api_server() -> None:
    master = {"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 443}]}}
    found = service_variables(pod(enableServiceLinks=False), [SERVICE, master])
    assert found["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"
    assert not any(name.startswith("DB_") for name in found)


def test_a_headless_service_has_no_variables() -> None:
    assert service_variables(pod(), [SERVICE | {"spec": {"clusterIP": "None", "ports": [{"port": 1}]}}]) == {}
