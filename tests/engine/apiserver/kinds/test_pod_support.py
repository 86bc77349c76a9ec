"""Every field of a pod has a state, and what is not carried out is refused or said, with a way out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.engine.apiserver.admission.context import Operation, Write
from pilothouse.engine.apiserver.admission.pod_support import PodSupport
from pilothouse.engine.apiserver.kinds.pod_support.judge import judge
from pilothouse.engine.apiserver.kinds.pod_support.rule import State
from pilothouse.engine.apiserver.kinds.pod_support.table import entries
from pilothouse.model.errors import Invalid
from pilothouse.model.json import Object
from pilothouse.model.schema.catalog import definitions_path
from tests.engine.apiserver.api import PODS, Api, pod
from tests.people import ADMIN

STATES = dict(entries())
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def names_of(path: str) -> set[str]:
    """The ways in which the table may write a path."""
    owner, _, rest = path.partition("[]")
    return {path, f"*containers[]{rest}"} if owner in ("containers", "initContainers") else {path}


def upstream() -> Iterator[str]:
    """Every path of upstream's PodSpec down to its leaves, or to where the table says something of all that lies below."""
    definitions: Object = json.loads(definitions_path().read_bytes())["$defs"]

    def below(name: str, path: str) -> Iterator[str]:
        for field, schema in definitions[name]["properties"].items():
            items = schema.get("items") or {}
            here = f"{path}{field}{'[]' if items else ''}"
            reference = (items or schema).get("$ref") or next((each["$ref"] for each in schema.get("allOf") or ()), "")
            inner = reference.rsplit("/", 1)[-1]
            whole = {f"{path}{field}"} | names_of(here) | names_of(f"{path}{field}")
            if not inner or not definitions[inner].get("properties") or whole & STATES.keys():
                yield here if not items or (inner and definitions[inner].get("properties")) else f"{path}{field}"
            else:
                yield from below(inner, f"{here}.")

    yield from below("io.k8s.api.core.v1.PodSpec", "")


def test_no_field_of_upstreams_pods_is_forgotten() -> None:
    forgotten = [path for path in upstream() if not {*names_of(path), *names_of(path.removesuffix("[]"))} & STATES.keys()]
    assert forgotten == [], "say in pod_support/table.py what becomes of them"


def test_no_field_is_named_that_pods_do_not_have() -> None:
    known = {name for path in upstream() for name in {*names_of(path), *names_of(path.removesuffix("[]"))}}
    assert [path for path in STATES if not path.endswith("[ephemeral-storage]") and path not in known] == []


def test_every_refusal_says_what_to_do_instead() -> None:
    refused = [rule.note for rule in STATES.values() if rule.state is State.REFUSED]
    assert all("; " in note for note in refused)


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
        ({"hostUsers": False}, "spec.hostUsers"),
        ({"os": {"name": "windows"}}, "spec.os.name"),
        ({"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]}, "spec.resourceClaims"),
        ({"resources": {"limits": {"cpu": "1"}}}, "spec.resources"),
        ({"setHostnameAsFQDN": True}, "spec.setHostnameAsFQDN"),
        ({"securityContext": {"supplementalGroupsPolicy": "Strict"}}, "spec.securityContext.supplementalGroupsPolicy"),
        ({"securityContext": {"seLinuxOptions": {"level": "s0"}}}, "spec.securityContext.seLinuxOptions"),
        ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, "spec.securityContext.sysctls[0].name"),
        (container(securityContext={"seLinuxOptions": {"level": "s0"}}), "spec.containers[0].securityContext.seLinuxOptions"),
        (container(lifecycle={"stopSignal": "SIGUSR1"}) | {"os": {"name": "linux"}}, "spec.containers[0].lifecycle.stopSignal"),
        (container(restartPolicy="Never"), "spec.containers[0].restartPolicy"),
        (container(ports=[{"containerPort": 80, "hostPort": 80, "protocol": "SCTP"}]), "spec.containers[0].ports[0].protocol"),
        (container(ports=[{"containerPort": 80, "hostPort": 80, "hostIP": "::1"}]), "spec.containers[0].ports[0].hostIP"),
        (
            container() | {"initContainers": [{"name": "i", "image": "i", "restartPolicy": "OnFailure"}]},
            "spec.initContainers[0].restartPolicy",
        ),
        (
            container(env=[{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}}]) | volume(emptyDir={}),
            "spec.containers[0].env[0].valueFrom.fileKeyRef",
        ),
        (mount(readOnly=True, recursiveReadOnly="Enabled"), "spec.containers[0].volumeMounts[0].recursiveReadOnly"),
        (volume(emptyDir={"medium": "HugePages"}), "spec.volumes[0].emptyDir.medium"),
        (volume(nfs={"server": "s", "path": "/p"}), "spec.volumes[0].nfs"),
        (volume(persistentVolumeClaim={"claimName": "c"}), "spec.volumes[0].persistentVolumeClaim"),
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


async def test_an_unmasked_proc_needs_what_there_is_not(api: Api) -> None:
    spec = container(securityContext={"procMount": "Unmasked"}) | {"hostUsers": False}
    error = await api.refused("POST", PODS, pod("p", **spec))
    assert "spec.containers[0].securityContext.procMount: Forbidden: pods have no user namespaces" in error.message


@pytest.mark.parametrize(
    "spec",
    [
        {"hostUsers": True},
        {"os": {"name": "linux"}},
        {"securityContext": {"supplementalGroupsPolicy": "Merge", "seLinuxOptions": {}}},
        {"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]}},
        container(securityContext={"procMount": "Default"}),
        container(ports=[{"containerPort": 80, "protocol": "SCTP"}]),
        mount(readOnly=True, recursiveReadOnly="IfPossible"),
        volume(emptyDir={"medium": "Memory", "sizeLimit": "1Mi"}),
        container() | {"initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always"}]},
    ],
)
def test_values_that_ask_for_what_is_done_anyway_pass(spec: Object) -> None:
    assert judge(container() | spec, "spec") == []


async def test_a_template_is_refused_when_it_is_made(api: Api) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": container() | {"hostUsers": False}}
    deployment = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    error = await api.refused("POST", DEPLOYMENTS, deployment)
    assert error.message.startswith('Deployment.apps "d" is invalid: spec.template.spec.hostUsers: Forbidden: ')


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"topologySpreadConstraints": [{}]}, "spec.topologySpreadConstraints"),
        ({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}, "spec.affinity.podAntiAffinity"),
        ({"priorityClassName": "high"}, "spec.priorityClassName"),
        (volume(emptyDir={"sizeLimit": "1Gi"}), "spec.volumes[0].emptyDir.sizeLimit"),
        (container(resources={"limits": {"ephemeral-storage": "1Gi"}}), "spec.containers[0].resources.limits[ephemeral-storage]"),
    ],
)
def test_what_ordinary_charts_carry_passes_with_a_warning(spec: Object, path: str) -> None:
    found = judge(spec, "spec")
    assert [(each.path, each.is_refused) for each in found] == [(path, False)]


def attributes(api: Api, warned: list[str], new: Object, old: Object | None = None, subresource: str = "") -> Write:
    served = api.server.backend.table.find("", "v1", "pods")
    assert served is not None
    operation: Operation = "CREATE" if old is None else "UPDATE"
    return Write(operation, served, "default", "p", ADMIN, pod("p", **new), old and pod("p", **old), subresource, warn=warned.append)


async def test_warnings_name_the_field_and_come_once(api: Api) -> None:
    warned: list[str] = []
    await PodSupport().validate(attributes(api, warned, {"priorityClassName": "high"}))
    await PodSupport().validate(attributes(api, warned, {"priorityClassName": "high", "tolerations": []}, {"priorityClassName": "high"}))
    assert warned == ["spec.priorityClassName: not carried out: no pod waits for or makes way for another"]


async def test_what_was_there_before_can_still_be_changed_elsewhere(api: Api) -> None:
    old: Object = {"hostUsers": False}
    await PodSupport().validate(attributes(api, [], old | {"activeDeadlineSeconds": 5}, old))
    with pytest.raises(Invalid, match="resourceClaims"):
        await PodSupport().validate(attributes(api, [], old | {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]}, old))


async def test_a_pods_status_can_be_written_whatever_it_asked_for(api: Api) -> None:
    await PodSupport().validate(attributes(api, [], {"hostUsers": False}, {}, "status"))
