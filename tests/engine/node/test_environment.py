import base64
import tracemalloc

import pytest

from pilothouse.engine.node.pod.environment import MOST_TEXT, ConfigMissing, Facts, environment, expand, expand_all, service_variables
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


def test_variables_that_double_each_other_end_at_what_a_program_can_be_started_with() -> None:
    env = [{"name": "A0", "value": "x" * 10}]
    env += [{"name": f"A{number}", "value": f"$(A{number - 1})" * 10} for number in range(1, 20)]
    wanted = spec(env=env)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigMissing, match="grows beyond 128 KiB"):
            environment(pod(wanted), wanted, Facts())
        assert tracemalloc.get_traced_memory()[1] < 10 * MOST_TEXT
    finally:
        tracemalloc.stop()


def test_arguments_that_grow_by_references_end_at_what_a_program_can_be_started_with() -> None:
    variables = {"A": "x" * 100_000}
    assert expand_all(["$(A)", "b"], variables) == ["x" * 100_000, "b"]
    with pytest.raises(ConfigMissing, match="grows beyond 128 KiB"):
        expand_all(["$(A)$(A)"], variables)
    with pytest.raises(ConfigMissing, match="the arguments hold more than 6 MiB"):
        expand_all(["$(A)"] * 100, variables)


BIG = {"data": {"k": "x" * 100_000}}
BIG_SECRET = {"data": {"k": base64.b64encode(b"x" * 100_000).decode()}}
HUGE = {"data": {"k": "x" * (MOST_TEXT + 1)}}


@pytest.mark.parametrize(
    ("more", "facts", "why"),
    [
        ({"envFrom": [{"configMapRef": {"name": "c"}}]}, Facts(configmaps={"c": HUGE}), "variable 'k' holds more than 128 KiB"),
        (
            {"envFrom": [{"prefix": f"P{number}", "configMapRef": {"name": "c"}} for number in range(100)]},
            Facts(configmaps={"c": BIG}),
            "the environment holds more than 6 MiB",
        ),
        (
            {"env": [{"name": f"V{number}", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}} for number in range(100)]},
            Facts(secrets={"s": BIG_SECRET}),
            "the environment holds more than 6 MiB",
        ),
    ],
)
def test_an_environment_that_no_program_can_be_started_with_is_said(more: dict[str, object], facts: Facts, why: str) -> None:
    wanted = spec(**more)
    with pytest.raises(ConfigMissing, match=why):
        environment(pod(wanted), wanted, facts)


def test_the_work_for_a_variable_does_not_grow_with_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    services = [SERVICE | {"metadata": {"name": f"s{number}", "namespace": "ns"}} for number in range(50)]
    wanted = spec(env=[{"name": f"V{number}", "value": "$(S7_SERVICE_HOST)"} for number in range(2000)])
    seen: set[int] = set()

    def watched(text: str, variables: dict[str, str]) -> str:
        seen.add(id(variables))
        return expand(text, variables)

    monkeypatch.setattr("pilothouse.engine.node.pod.environment.expand", watched)
    assert environment(pod(wanted), wanted, Facts(services=services))["V1999"] == "10.1.1.1"
    assert len(seen) == 1, "no copy of what is known is made for each"
