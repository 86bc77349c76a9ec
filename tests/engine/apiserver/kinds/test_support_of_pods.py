"""What of a pod is not carried out is refused or said, with its field and a way out."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.admission.context import Operation, Write
from pilothouse.engine.apiserver.admission.support import Support
from pilothouse.engine.apiserver.kinds.support.judge import judge
from pilothouse.engine.apiserver.kinds.support.pods import PODS as TABLE
from pilothouse.model.errors import Invalid
from pilothouse.model.json import Object
from tests.engine.apiserver.api import PODS, Api, pod
from tests.people import ADMIN

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def container(**more: Any) -> Object:
    return {"containers": [{"name": "c", "image": "i", **more}]}


def mount(**more: Any) -> Object:
    mounts = [{"name": "v", "mountPath": "/v", **more}]
    return container(volumeMounts=mounts) | {"volumes": [{"name": "v", "emptyDir": {}}]}


def volume(**source: Any) -> Object:
    return {"volumes": [{"name": "v", **source}]}


def projected(**source: Any) -> Object:
    return volume(projected={"sources": [source]})


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"os": {"name": "windows"}}, "spec.os.name"),
        ({"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]}, "spec.resourceClaims"),
        ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, "spec.securityContext.sysctls[0].name"),
        (container(ports=[{"containerPort": 80, "hostPort": 80, "protocol": "SCTP"}]), "spec.containers[0].ports[0].protocol"),
        (container(ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "::1"}]), "spec.containers[0].ports[0].hostIP"),
        (volume(emptyDir={"medium": "HugePages"}), "spec.volumes[0].emptyDir.medium"),
        (volume(cephfs={"monitors": ["m"]}), "spec.volumes[0].cephfs"),
        (projected(clusterTrustBundle={"name": "b", "path": "p"}), "spec.volumes[0].projected.sources[0].clusterTrustBundle"),
        (
            projected(podCertificate={"signerName": "a/b", "keyType": "ED25519", "credentialBundlePath": "p"}),
            "spec.volumes[0].projected.sources[0].podCertificate",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_the_node_does_not_do_is_refused_by_its_field(api: Api, spec: Object, path: str) -> None:
    error = await api.refused("POST", PODS, pod("p", **spec))
    assert error.code == 422
    assert error.details is not None
    assert [each["field"] for each in error.details["causes"]] == [path], error.message


async def test_kernel_parameters_that_are_allowed_pass(api: Api) -> None:
    wanted: Object = {"securityContext": {"sysctls": [{"name": name, "value": "1"} for name in ("kernel.msgmax", "net/core/somaxconn")]}}
    await Support(("kernel.msg*", "net.core.somaxconn")).validate(attributes(api, [], wanted))
    with pytest.raises(Invalid, match=r"sysctls\[1\].name: Forbidden: only sysctls that leave other pods alone.*ph up --allow-sysctls"):
        await Support(("kernel.msg*",)).validate(attributes(api, [], wanted))


@pytest.mark.parametrize(
    ("signal", "os_name", "causes"),
    [
        ("SIGUSR1", "linux", []),
        ("SIGRTMIN+15", "linux", []),
        ("SIGRTMIN+16", "linux", ["spec.containers[0].lifecycle.stopSignal"]),
        ("USR1", "linux", ["spec.containers[0].lifecycle.stopSignal"]),
        ("SIGUSR1", "", ["spec.containers[0].lifecycle.stopSignal"]),
    ],
)
async def test_a_stop_signal_is_one_of_the_systems(api: Api, signal: str, os_name: str, causes: list[str]) -> None:
    spec = container(lifecycle={"stopSignal": signal}) | ({"os": {"name": os_name}} if os_name else {})
    if not causes:
        assert await api.post(PODS, pod("p", **spec))
        return
    error = await api.refused("POST", PODS, pod("p", **spec))
    assert error.details is not None
    assert [each["field"] for each in error.details["causes"]] == causes


@pytest.mark.parametrize(
    "spec",
    [
        {"hostUsers": False},
        {"os": {"name": "linux"}},
        {"securityContext": {"supplementalGroupsPolicy": "Merge", "seLinuxOptions": {"level": "s0"}, "seLinuxChangePolicy": "Recursive"}},
        container(securityContext={"seLinuxOptions": {"level": "s0"}}),
        {"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]}},
        container(securityContext={"procMount": "Unmasked"}) | {"hostUsers": False},
        container(ports=[{"containerPort": 80, "protocol": "SCTP"}]),
        mount(readOnly=True, recursiveReadOnly="IfPossible"),
        volume(emptyDir={"medium": "Memory", "sizeLimit": "1Mi"}),
        volume(emptyDir={"sizeLimit": "1Gi"}),
        container(resources={"limits": {"ephemeral-storage": "1Gi"}}),
        container() | {"initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always"}]},
    ],
)
def test_values_that_ask_for_what_is_done_anyway_pass(spec: Object) -> None:
    assert judge(TABLE, container() | spec, "spec") == []


async def test_a_template_is_refused_when_it_is_made(api: Api) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": container() | {"schedulingGroup": {"podGroupName": "g"}}}
    deployment = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    error = await api.refused("POST", DEPLOYMENTS, deployment)
    assert error.message.startswith('Deployment.apps "d" is invalid: spec.template.spec.schedulingGroup: Forbidden: ')


TERM: Object = {
    "topologyKey": "zone",
    "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]},
    "namespaceSelector": {"matchLabels": {"team": "one"}},
    "matchLabelKeys": ["version"],
    "mismatchLabelKeys": ["tenant"],
}
SPREAD: Object = {
    "topologyKey": "zone",
    "maxSkew": 1,
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "web"}},
    "minDomains": 2,
    "nodeAffinityPolicy": "Ignore",
    "nodeTaintsPolicy": "Honor",
    "matchLabelKeys": ["version"],
}


@pytest.mark.parametrize(
    "spec",
    [
        {"topologySpreadConstraints": [SPREAD]},
        {"affinity": {"podAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": TERM}]}}},
        {"affinity": {"podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": TERM}]}}},
        {"priorityClassName": "high", "preemptionPolicy": "Never", "priority": 1},
    ],
)
def test_what_says_where_a_pod_is_placed_passes_without_a_word(spec: Object) -> None:
    assert judge(TABLE, spec, "spec") == []


def attributes(api: Api, warned: list[str], new: Object, old: Object | None = None, subresource: str = "") -> Write:
    served = api.server.backend.table.find("", "v1", "pods")
    assert served is not None
    operation: Operation = "CREATE" if old is None else "UPDATE"
    return Write(operation, served, "default", "p", ADMIN, pod("p", **new), old and pod("p", **old), subresource, warn=warned.append)


async def test_what_was_there_before_can_still_be_changed_elsewhere(api: Api) -> None:
    old: Object = {"schedulingGroup": {"podGroupName": "g"}}
    await Support().validate(attributes(api, [], old | {"activeDeadlineSeconds": 5}, old))
    with pytest.raises(Invalid, match="resourceClaims"):
        await Support().validate(attributes(api, [], old | {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]}, old))


async def test_a_pods_status_can_be_written_whatever_it_asked_for(api: Api) -> None:
    await Support().validate(attributes(api, [], {"schedulingGroup": {"podGroupName": "g"}}, {}, "status"))
