import json

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.objects import config_map, deployment, pod, service


@pytest.fixture
def colours(kubectl: Kubectl) -> Kubectl:
    """Three ConfigMaps, two of them warm."""
    maps = [config_map("blue", rgb="00f"), config_map("red", rgb="f00"), config_map("orange", rgb="f80")]
    for each in maps:
        each["metadata"]["labels"] = {"tone": "cold" if each["metadata"]["name"] == "blue" else "warm"}
    kubectl.apply(*maps)
    return kubectl


def names(kubectl: Kubectl, *args: str) -> list[str]:
    return kubectl("get", "configmaps", "-o", "name", *args).split()


def test_get_prints_a_table_with_the_servers_columns(colours: Kubectl) -> None:
    heading, *rows = colours("get", "configmaps").splitlines()
    assert heading.split() == ["NAME", "DATA", "AGE"]
    assert [row.split()[:2] for row in rows] == [["blue", "1"], ["kube-root-ca.crt", "1"], ["orange", "1"], ["red", "1"]]


def test_get_wide_adds_the_columns_of_low_priority(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"))
    heading = kubectl("get", "deployments", "-o", "wide").splitlines()[0]
    assert heading.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]


def test_get_several_kinds_prints_a_table_each(kubectl: Kubectl) -> None:
    kubectl.apply(config_map("settings"), service("web"))
    found = kubectl("get", "service/web", "configmap/settings", "--no-headers")
    assert [line.split()[0] for line in found.splitlines() if line] == ["service/web", "configmap/settings"]


def test_get_all_shows_what_belongs_to_a_deployment(kubectl: Kubectl) -> None:
    kubectl.apply(deployment("web"), service("web"))
    kubectl("rollout", "status", "deployment/web", "--timeout=15s")
    kinds = {line.split("/")[0] for line in kubectl("get", "all", "-o", "name").splitlines()}
    assert kinds == {"pod", "service", "deployment.apps", "replicaset.apps"}


def test_get_yaml_and_json_hold_the_same_object(colours: Kubectl) -> None:
    import yaml

    assert yaml.safe_load(colours("get", "cm", "red", "-o", "yaml")) == json.loads(colours("get", "cm", "red", "-o", "json"))


def test_get_jsonpath_reads_one_field(colours: Kubectl) -> None:
    assert colours("get", "cm", "red", "-o", "jsonpath={.data.rgb}") == "f00"


def test_get_custom_columns_makes_its_own_table(colours: Kubectl) -> None:
    found = colours("get", "cm", "-l", "tone=warm", "-o", "custom-columns=WHAT:.metadata.name,HOW:.data.rgb")
    assert [line.split() for line in found.splitlines()] == [["WHAT", "HOW"], ["orange", "f80"], ["red", "f00"]]


def test_get_go_template_is_rendered(colours: Kubectl) -> None:
    assert colours("get", "cm", "blue", "-o", "go-template={{.metadata.name}}={{.data.rgb}}") == "blue=00f"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tone=warm", ["orange", "red"]),
        ("tone!=warm,tone", ["blue"]),
        ("tone in (cold, warm)", ["blue", "orange", "red"]),
        ("tone notin (warm)", ["blue", "kube-root-ca.crt"]),
        ("!tone", ["kube-root-ca.crt"]),
    ],
)
def test_label_selector_picks_what_it_says(colours: Kubectl, selector: str, expected: list[str]) -> None:
    assert names(colours, "-l", selector) == [f"configmap/{name}" for name in expected]


def test_field_selector_picks_by_name_and_by_phase(colours: Kubectl) -> None:
    assert names(colours, "--field-selector", "metadata.name=red") == ["configmap/red"]
    colours.apply(pod("calm"), pod("stuck", image="registry.example/missing:1"))
    colours("wait", "--for=jsonpath={.status.phase}=Running", "pod/calm", "--timeout=15s")
    assert colours("get", "pods", "--field-selector", "status.phase=Running", "-o", "name").split() == ["pod/calm"]
    assert colours("get", "pods", "--field-selector", "spec.nodeName=nowhere", "-o", "name") == ""


def test_unknown_field_selector_is_refused_by_name(kubectl: Kubectl) -> None:
    assert "spec.size" in kubectl.refused("get", "configmaps", "--field-selector", "spec.size=3")


def test_chunks_join_to_the_whole_list(colours: Kubectl) -> None:
    assert names(colours, "--chunk-size=1") == names(colours, "--chunk-size=0")


def test_label_columns_and_sorting_are_shown(colours: Kubectl) -> None:
    rows = colours.lines("get", "cm", "-l", "tone", "-L", "tone", "--sort-by=.data.rgb")
    assert [(row[0], row[-1]) for row in rows] == [("blue", "cold"), ("red", "warm"), ("orange", "warm")]


def test_watch_prints_what_is_there_and_then_each_change(colours: Kubectl) -> None:
    with colours.running("get", "configmaps", "-w", "-l", "tone=warm", "--no-headers") as watch:
        assert watch.stdout is not None
        assert [watch.stdout.readline().split()[0] for _ in range(2)] == ["orange", "red"]
        colours("patch", "cm", "red", "-p", '{"data": {"name": "red"}}')
        assert watch.stdout.readline().split()[:2] == ["red", "2"]


def test_watch_of_an_object_that_leaves_the_selector_sees_it_go(colours: Kubectl) -> None:
    with colours.running("get", "cm", "-w", "-l", "tone=warm", "--output-watch-events", "--no-headers") as watch:
        assert watch.stdout is not None
        assert [watch.stdout.readline().split()[:2] for _ in range(2)] == [["ADDED", "orange"], ["ADDED", "red"]]
        colours("label", "cm", "red", "tone=cold", "--overwrite")
        assert watch.stdout.readline().split()[:2] == ["DELETED", "red"]


def test_get_of_what_is_not_there_names_it(kubectl: Kubectl) -> None:
    assert kubectl.refused("get", "pod", "nobody") == 'Error from server (NotFound): pods "nobody" not found\n'
    assert "the server doesn't have a resource type" in kubectl.refused("get", "unicorns")
    assert kubectl("get", "pod", "nobody", "--ignore-not-found") == ""


def test_all_namespaces_adds_the_namespace_column(colours: Kubectl) -> None:
    heading, *rows = colours("get", "cm", "-A").splitlines()
    assert heading.split()[:2] == ["NAMESPACE", "NAME"]
    assert [colours.namespace, "red"] in [row.split()[:2] for row in rows]


def test_raw_paths_answer(kubectl: Kubectl) -> None:
    assert kubectl("get", "--raw", "/readyz") == "ok"
    assert json.loads(kubectl("get", "--raw", "/version"))["minor"] == "36"
