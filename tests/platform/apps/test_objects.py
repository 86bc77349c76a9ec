from typing import Any

import pytest

from pilothouse.engine.apiserver.admission.pod_security.policy import Level
from pilothouse.engine.apiserver.admission.pod_security.table import findings
from pilothouse.model.covering import covers
from pilothouse.model.json import Object
from pilothouse.platform.apps import objects, processes, workloads
from pilothouse.platform.apps.objects import Surroundings
from pilothouse.platform.apps.workloads import Running
from pilothouse.platform.gateway.routes import UNAVAILABLE
from tests.platform.apps.life import AROUND, app, source


@pytest.mark.parametrize(
    ("namespace", "hosts", "around", "expected"),
    [
        ("default", [], AROUND, "http://shop.localhost"),
        ("team", [], AROUND, "http://shop.team.localhost"),
        ("default", [], Surroundings("", url_port=8080), "http://shop.localhost:8080"),
        ("default", [], Surroundings("", domain="apps.example.org"), "http://shop.apps.example.org"),
        ("default", ["a.example.org", "b.example.org"], AROUND, "http://a.example.org"),
    ],
)
def test_the_url_is_the_first_host_with_a_port_only_where_it_is_needed(
    namespace: str, hosts: list[str], around: Surroundings, expected: str
) -> None:
    shop = app(hosts=hosts)
    shop["metadata"]["namespace"] = namespace
    assert objects.url(shop, around) == expected


def deployed(shop: Object, image: str, around: Surroundings, process: str = "web") -> Object:
    found = next(each for each in processes.lasting(shop) if each.name == process)
    return workloads.deployment(shop, found, Running(image, processes.port_of(shop["spec"], [])), around)


def container(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = deployed(app(**spec), "web:1", AROUND)["spec"]["template"]["spec"]["containers"][0]
    return found


def test_the_app_is_told_its_port_and_gets_what_the_spec_says() -> None:
    made = container(
        port=3000, env={"MODE": "live"}, secrets=["keys"], command=["./run"], args=["-v"], resources={"cpu": "0.5", "memory": "64Mi"}
    )
    assert made["ports"][0]["containerPort"] == 3000
    assert made["env"] == [{"name": "PORT", "value": "3000"}, {"name": "MODE", "value": "live"}]
    assert made["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert (made["command"], made["args"]) == (["./run"], ["-v"])
    assert made["resources"] == {"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "500m", "memory": "64Mi"}}


def test_a_quantity_that_is_none_is_left_to_the_server_to_refuse() -> None:
    assert container(resources={"cpu": "many", "memory": ""})["resources"]["limits"] == {"cpu": "many"}


def test_health_is_a_path_or_an_accepting_port() -> None:
    assert container(health={"path": "/healthz"})["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
    assert container()["readinessProbe"]["tcpSocket"] == {"port": 8080}


ASKED = Surroundings("", asks_replicas=True)


@pytest.mark.parametrize(
    ("around", "spec", "gates", "proven_s"),
    [
        (ASKED, {}, [{"conditionType": workloads.ANSWERS}], 0),
        (ASKED, {"health": {"path": "/healthz"}}, [], 0),
        (ASKED, {"internal": True}, [], 3),
        (AROUND, {}, [], 3),
    ],
)
def test_a_replica_counts_once_it_has_answered_or_has_stayed_up(
    around: Surroundings, spec: dict[str, Any], gates: list[Any], proven_s: int
) -> None:
    made = deployed(app(**spec), "web:1", around)["spec"]
    assert (made["template"]["spec"]["readinessGates"], made["minReadySeconds"]) == (gates, proven_s)


def test_a_pod_waits_before_it_ends_only_where_proxies_are_not_told() -> None:
    assert "lifecycle" not in container()
    made = deployed(app(), "web:1", Surroundings("", drain_s=5))["spec"]["template"]["spec"]["containers"][0]
    assert made["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_the_state_of_a_template_changes_with_anything_in_it() -> None:
    def state(**spec: Any) -> str:
        annotations = deployed(app(**spec), "web:1", AROUND)["spec"]["template"]["metadata"]["annotations"]
        found: str = annotations[workloads.STATE]
        return found

    assert state() == state(replicas=5, hosts=["x.example.org"])
    assert len({state(), state(port=1), state(env={"A": "1"}), state(secrets=["x"]), state(command=["x"])}) == 5


def test_the_service_follows_the_port_by_name() -> None:
    assert objects.service(app(), 80)["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]


def test_an_ingress_class_is_named_only_when_there_is_one() -> None:
    assert objects.ingress(app(), AROUND)["spec"]["ingressClassName"] == "pilothouse"
    assert "ingressClassName" not in objects.ingress(app(), Surroundings("", ingress_class=""))["spec"]


def test_the_same_source_and_options_are_the_same_build() -> None:
    one, same = app(source=source(), replicas=1), app(source=source(), replicas=9, env={"A": "1"})
    assert objects.build_name(one) == objects.build_name(same)
    assert objects.build_name(one) != objects.build_name(app(source=source("next")))
    assert objects.build_name(one) != objects.build_name(app(source=source(), build={"args": {"A": "1"}}))


def test_everything_belongs_to_the_app() -> None:
    shop = app(source=source())
    made = [objects.build(shop, AROUND), deployed(shop, "web:1", AROUND), objects.service(shop, 8080), objects.ingress(shop, AROUND)]
    for obj in [*made, objects.revision(shop, {}, 1)]:
        owner = obj["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("App", "shop", "app-uid", True)
        assert obj["metadata"]["namespace"] == "default"


def test_long_names_leave_room_for_what_is_appended() -> None:
    shop = app(source=source())
    shop["metadata"]["name"] = "s" * 63
    assert len(f"{objects.build_name(shop)}-build") <= 63
    assert len(objects.revision_name(shop, {})) <= 63


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        ({}, {"a": {}, "b": [], "c": ""}, True),
        ({"a": {"x": 1}}, {"a": {}}, False),
        ({"a": ["x"]}, {"a": []}, False),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True),
        ({"a": [{"x": 1}, {"x": 2}]}, {"a": [{"x": 1}]}, False),
        ({"replicas": 1}, {"replicas": 0}, False),
        ({"replicas": 0}, {"replicas": 0}, True),
        ({}, {"minReadySeconds": 0}, True),
        ({"flag": True}, {"flag": False}, False),
        (None, {"a": 1}, False),
    ],
)
def test_what_is_wanted_is_there_whatever_the_server_has_added(current: Any, wanted: Any, expected: bool) -> None:
    assert covers(current, wanted) is expected


@pytest.mark.parametrize(
    ("spec", "seconds"), [({}, 3), ({"health": {"path": "/healthz"}}, 0), ({"port": 0, "health": {"path": "/healthz"}}, 3)]
)
def test_a_replica_without_a_health_check_must_stay_up_to_count(spec: dict[str, Any], seconds: int) -> None:
    assert deployed(app(**spec), "web:1", AROUND)["spec"]["minReadySeconds"] == seconds


@pytest.mark.parametrize(
    ("replicas", "namespace", "said"),
    [
        (2, "default", 'shop has no replica that serves: "ph why shop" says why'),
        (0, "default", 'shop is scaled to 0: "ph scale shop=1" starts it'),
        (0, "team", 'shop is scaled to 0: "ph scale shop=1 -n team" starts it'),
    ],
)
def test_the_gateway_is_given_a_sentence_for_the_time_without_a_replica(replicas: int, namespace: str, said: str) -> None:
    shop = app(replicas=replicas)
    shop["metadata"]["namespace"] = namespace
    assert objects.ingress(shop, AROUND)["metadata"]["annotations"][UNAVAILABLE] == said


def test_apps_whose_long_names_begin_alike_share_no_build_and_no_revision() -> None:
    apps = [app(source=source()), app(source=source())]
    for each, end in zip(apps, "ab", strict=True):
        each["metadata"]["name"] = "x" * 45 + end
    assert len({objects.build_name(each) for each in apps}) == 2
    assert len({objects.revision_name(each, {"image": "web:1"}) for each in apps}) == 2


def test_the_pods_of_an_app_are_held_to_the_baseline() -> None:
    template = deployed(app(port=3000, health={"path": "/"}, secrets=["keys"]), "web:1", AROUND)["spec"]["template"]
    assert findings(Level("baseline"), template["metadata"], template["spec"]) == []
