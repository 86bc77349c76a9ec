"""What a pod has that nobody asked for."""

import pytest

from pilothouse.engine.apiserver.kinds.pods import POD, qos_class
from pilothouse.engine.apiserver.kinds.workloads.deployments import DEPLOYMENT
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, container, created, named, pod, pod_with, template


def first(obj: Object) -> Object:
    found: Object = created(POD, obj)["spec"]["containers"][0]
    return found


def test_a_pod_restarts_always_and_asks_the_cluster_for_names() -> None:
    spec = created(POD, pod())["spec"]
    assert spec == {
        "containers": [
            {
                "name": "c",
                "image": "img:1",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("img", "Always"),
        ("img:latest", "Always"),
        ("host:5000/img", "Always"),
        ("host:5000/img:1", "IfNotPresent"),
        ("img@sha256:" + "a" * 64, "IfNotPresent"),
    ],
)
def test_only_a_moving_tag_is_pulled_always(image: str, policy: str) -> None:
    assert first(pod_with(image=image))["imagePullPolicy"] == policy


def test_what_is_limited_is_requested() -> None:
    resources = first(pod_with(resources={"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}))["resources"]
    assert resources["requests"] == {"cpu": "500m", "memory": "1Gi"}


def test_amounts_are_rounded_up_to_thousandths() -> None:
    assert first(pod_with(resources={"requests": {"cpu": "100500u"}}))["resources"]["requests"] == {"cpu": "101m"}


def test_probes_get_their_numbers_and_http_its_path() -> None:
    probe = first(pod_with(livenessProbe={"httpGet": {"port": 80}, "failureThreshold": 9}))["livenessProbe"]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "failureThreshold": 9,
        "periodSeconds": 10,
        "successThreshold": 1,
        "timeoutSeconds": 1,
    }


def test_on_the_hosts_network_host_ports_are_container_ports() -> None:
    obj = pod(hostNetwork=True, containers=[container(ports=[{"containerPort": 80}])])
    assert first(obj)["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("source", "defaulted"),
    [
        ({}, {"emptyDir": {}}),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 0o644}}),
        ({"hostPath": {"path": "/x"}}, {"hostPath": {"path": "/x", "type": ""}}),
        ({"image": {"reference": "img"}}, {"image": {"reference": "img", "pullPolicy": "Always"}}),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {"projected": {"defaultMode": 0o644, "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}},
        ),
        (
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {
                "downwardAPI": {
                    "defaultMode": 0o644,
                    "items": [{"path": "p", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}],
                }
            },
        ),
    ],
)
def test_volumes_are_completed(source: Object, defaulted: Object) -> None:
    assert created(POD, pod(volumes=[{"name": "v", **source}]))["spec"]["volumes"] == [{"name": "v", **defaulted}]


def test_both_names_of_the_service_account_agree() -> None:
    spec = created(POD, pod(serviceAccount="robot"))["spec"]
    assert (spec["serviceAccount"], spec["serviceAccountName"]) == ("robot", "robot")


def test_templates_lack_what_only_running_pods_have() -> None:
    deployment = created(
        DEPLOYMENT,
        named(
            spec={
                "selector": {"matchLabels": {"app": "web"}},
                "template": template(containers=[container(resources={"limits": {"cpu": 1}})]),
            }
        ),
    )
    spec = deployment["spec"]["template"]["spec"]
    assert "enableServiceLinks" not in spec
    assert spec["containers"][0]["resources"] == {"limits": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("limits", "requests", "expected"),
    [
        ({}, {}, "BestEffort"),
        ({}, {"example.com/gpu": "1"}, "BestEffort"),
        ({}, {"cpu": "1"}, "Burstable"),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1Gi"}, "Guaranteed"),
        ({"cpu": "1"}, {"cpu": "1"}, "Burstable"),
        ({"cpu": "2", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, "Burstable"),
    ],
)
def test_quality_of_service_follows_from_requests_and_limits(limits: Object, requests: Object, expected: str) -> None:
    assert qos_class({"containers": [container(resources={"limits": limits, "requests": requests})]}) == expected


def test_one_careless_container_makes_a_pod_burstable() -> None:
    full = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}
    assert qos_class({"containers": [container(resources=full), container(name="d", resources={})]}) == "Burstable"


def test_a_new_pod_is_pending_whatever_the_client_says() -> None:
    obj = created(POD, pod() | {"status": {"phase": "Running"}})
    assert obj["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert obj["metadata"]["generation"] == 1


def test_a_gated_pod_says_why_it_waits() -> None:
    (condition,) = created(POD, pod(schedulingGates=[{"name": "g"}]))["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")
    assert condition["lastTransitionTime"] == NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
