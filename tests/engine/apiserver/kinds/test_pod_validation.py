"""What is refused in a pod, and where the refusal points."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.pods import POD
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, container, created, named, pod, pod_with, refusals

C = "spec.containers[0]"
VOLUME = {"name": "v", "emptyDir": {}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, [f"{C}.name Required"]),
        ({"name": "C"}, [f"{C}.name Invalid"]),
        ({"image": ""}, [f"{C}.image Required"]),
        ({"image": " img"}, [f"{C}.image Invalid"]),
        ({"imagePullPolicy": "X"}, [f"{C}.imagePullPolicy NotSupported"]),
        ({"terminationMessagePolicy": "X"}, [f"{C}.terminationMessagePolicy NotSupported"]),
        ({"ports": [{"containerPort": 0}]}, [f"{C}.ports[0].containerPort Required"]),
        ({"ports": [{"containerPort": 65536}]}, [f"{C}.ports[0].containerPort Invalid"]),
        ({"ports": [{"containerPort": 1, "protocol": "ICMP"}]}, [f"{C}.ports[0].protocol NotSupported"]),
        ({"ports": [{"containerPort": n, "name": "a"} for n in (1, 2)]}, [f"{C}.ports[1].name Duplicate"]),
        ({"ports": [{"containerPort": n, "hostPort": 5} for n in (1, 2)]}, [f"{C}.ports[1].hostPort Duplicate"]),
        ({"env": [{"name": ""}]}, [f"{C}.env[0].name Required"]),
        ({"env": [{"name": "a=b"}]}, [f"{C}.env[0].name Invalid"]),
        ({"env": [{"name": "A", "valueFrom": {}}]}, [f"{C}.env[0].valueFrom Invalid"]),
        (
            {"env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            [f"{C}.env[0].valueFrom Invalid"],
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]},
            [f"{C}.env[0].valueFrom.fieldRef.fieldPath Invalid"],
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]},
            [f"{C}.env[0].valueFrom.fieldRef.fieldPath NotSupported"],
        ),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}]}, []),
        ({"envFrom": [{}]}, [f"{C}.envFrom Invalid"]),
        ({"livenessProbe": {"httpGet": {"port": 0}}}, [f"{C}.livenessProbe.httpGet.port Invalid"]),
        ({"livenessProbe": {"exec": {"command": []}}}, [f"{C}.livenessProbe.exec.command Required"]),
        ({"livenessProbe": {}}, [f"{C}.livenessProbe Required"]),
        ({"livenessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 2}}, [f"{C}.livenessProbe.successThreshold Invalid"]),
        ({"readinessProbe": {"tcpSocket": {"port": 1}, "successThreshold": 2}}, []),
        ({"livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": -1}}, [f"{C}.livenessProbe.periodSeconds Invalid"]),
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}, [f"{C}.lifecycle.preStop.sleep Invalid"]),
        (
            {"lifecycle": {"preStop": {"sleep": {"seconds": 1}, "exec": {"command": ["x"]}}}},
            [f"{C}.lifecycle.preStop.sleep Forbidden"],
        ),
        ({"resources": {"requests": {"cpu": "-1"}}}, [f"{C}.resources.requests[cpu] Invalid"]),
        ({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}, [f"{C}.resources.requests Invalid"]),
        ({"resources": {"requests": {"foo": "1"}}}, [f"{C}.resources.requests[foo] Invalid"] * 2),
        ({"resources": {"requests": {"example.com/gpu": "1"}}}, [f"{C}.resources.limits Required"]),
        ({"resources": {"claims": [{"name": "x"}]}}, [f"{C}.resources.claims[0] NotFound"]),
        ({"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}, [f"{C}.securityContext Invalid"]),
        ({"securityContext": {"runAsUser": -1}}, [f"{C}.securityContext.runAsUser Invalid"]),
        ({"securityContext": {"procMount": "Unmasked"}}, [f"{C}.securityContext.procMount Invalid"]),
        ({"securityContext": {"seccompProfile": {"type": "Localhost"}}}, [f"{C}.securityContext.seccompProfile.localhostProfile Required"]),
        ({"volumeMounts": [{"name": "x", "mountPath": "/x"}]}, [f"{C}.volumeMounts[0].name NotFound"]),
    ],
)
def test_containers(fields: Object, expected: list[str]) -> None:
    assert refusals(POD, pod_with(**fields)) == expected


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ({"mountPath": "/a:b"}, []),
        ({"mountPath": ""}, [f"{C}.volumeMounts[0].mountPath Required"]),
        ({"mountPath": "/a", "subPath": "x/../y"}, [f"{C}.volumeMounts.subPath Invalid"]),
        ({"mountPath": "/a", "subPath": "/x"}, [f"{C}.volumeMounts.subPath Invalid"]),
        ({"mountPath": "/a", "mountPropagation": "Bidirectional"}, [f"{C}.volumeMounts.mountPropagation Forbidden"]),
    ],
)
def test_mounts(mount: Object, expected: list[str]) -> None:
    obj = pod(volumes=[VOLUME], containers=[container(volumeMounts=[{"name": "v", **mount}])])
    assert refusals(POD, obj) == expected


V = "spec.volumes[0]"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"emptyDir": {}, "hostPath": {"path": "/x"}}, [f"{V}.hostPath Forbidden"]),
        ({"emptyDir": {"sizeLimit": "-1"}}, [f"{V}.emptyDir.sizeLimit Forbidden"]),
        ({"hostPath": {"path": "/a/../b"}}, [f"{V}.hostPath.path Invalid"]),
        ({"hostPath": {"path": "/a", "type": "Weird"}}, [f"{V}.hostPath.type NotSupported"]),
        ({"secret": {}}, [f"{V}.secret.secretName Required"]),
        ({"secret": {"secretName": "s", "defaultMode": 0o1000}}, [f"{V}.secret.defaultMode Invalid"]),
        ({"configMap": {"name": "c", "items": [{"key": "k", "path": "../x"}]}}, [f"{V}.configMap.items[0].path Invalid"]),
        ({"nfs": {"server": "", "path": "rel"}}, [f"{V}.nfs.server Required", f"{V}.nfs.path Invalid"]),
        ({"persistentVolumeClaim": {}}, [f"{V}.persistentVolumeClaim.claimName Required"]),
        ({"csi": {"driver": ""}}, [f"{V}.csi.driver Required"]),
        ({"ephemeral": {}}, [f"{V}.ephemeral.volumeClaimTemplate Required"]),
        (
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "status.podIP"}}]}},
            [f"{V}.downwardAPI.fieldRef.fieldPath NotSupported"],
        ),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}},
            [f"{V}.projected.sources[0].serviceAccountToken.expirationSeconds Invalid"],
        ),
        (
            {"projected": {"sources": [{"configMap": {"name": n, "items": [{"key": "k", "path": "p"}]}} for n in "ab"]}},
            [f"{V}.projected Invalid"],
        ),
    ],
)
def test_volumes(source: Object, expected: list[str]) -> None:
    assert refusals(POD, pod(serviceAccountName="default", volumes=[{"name": "v", **source}])) == expected


def test_a_mount_of_an_invalid_volume_is_not_found() -> None:
    obj = pod(volumes=[{"name": "v", "secret": {}}], containers=[container(volumeMounts=[{"name": "v", "mountPath": "/v"}])])
    assert refusals(POD, obj) == [f"{V}.secret.secretName Required", f"{C}.volumeMounts[0].name NotFound"]


TERM = {"matchExpressions": [{"key": "k", "operator": "Exists"}]}
NODES = "spec.affinity.nodeAffinity"
PODS = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": []}, ["spec.containers Required"]),
        ({"containers": [container(), container()]}, ["spec.containers[1].name Duplicate"]),
        ({"restartPolicy": "Maybe"}, ["spec.restartPolicy NotSupported"]),
        ({"restartPolicy": ""}, []),
        ({"dnsPolicy": "None"}, ["spec.dnsConfig Required"]),
        ({"dnsConfig": {"nameservers": ["x"]}}, ["spec.dnsConfig.nameservers[0] Invalid"]),
        ({"activeDeadlineSeconds": 0}, ["spec.activeDeadlineSeconds Invalid"]),
        ({"nodeSelector": {"a b": "c"}}, ["spec.nodeSelector Invalid"]),
        ({"hostname": "A.b"}, ["spec.hostname Invalid"]),
        ({"subdomain": "a.b"}, ["spec.subdomain Invalid"]),
        (
            {"hostAliases": [{"ip": "x", "hostnames": ["a_b"]}]},
            ["spec.hostAliases[0].ip Invalid", "spec.hostAliases[0].hostnames[0] Invalid"],
        ),
        ({"tolerations": [{"key": "k", "operator": "Exists", "effect": "X"}]}, ["spec.tolerations[0].effect NotSupported"]),
        ({"tolerations": [{"key": "k", "operator": "Exists", "value": "v"}]}, ["spec.tolerations[0].operator Invalid"]),
        ({"tolerations": [{"operator": "Equal"}]}, ["spec.tolerations[0].operator Invalid"]),
        ({"tolerations": [{"operator": "Exists"}]}, []),
        ({"tolerations": [{"key": "k", "effect": "NoSchedule", "tolerationSeconds": 5}]}, ["spec.tolerations[0].effect Invalid"]),
        (
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}},
            [f"{NODES}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms Required"],
        ),
        (
            {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 101, "preference": TERM}]}}},
            [f"{NODES}.preferredDuringSchedulingIgnoredDuringExecution[0].weight Invalid"],
        ),
        (
            {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": ""}]}}},
            [f"{PODS}[0].topologyKey {why}" for why in ("Required", "Invalid", "Invalid")],
        ),
        (
            {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]},
            ["spec.topologySpreadConstraints[0].maxSkew Invalid"],
        ),
        ({"schedulingGates": [{"name": "g"}, {"name": "g"}]}, ["spec.schedulingGates[1] Duplicate"]),
        ({"schedulingGates": [{"name": "g"}], "nodeName": "n"}, ["spec.nodeName Forbidden"]),
        ({"readinessGates": [{"conditionType": "a b"}]}, ["spec.readinessGates[0].conditionType Invalid"]),
        ({"os": {"name": "beos"}}, ["spec.os NotSupported"]),
        ({"os": {"name": "windows"}, "securityContext": {"runAsUser": 1}}, ["spec.securityContext.runAsUser Forbidden"]),
        ({"securityContext": {"sysctls": [{"name": "BAD"}]}}, ["spec.securityContext.sysctls[0].name Invalid"]),
        ({"shareProcessNamespace": True, "hostPID": True}, ["spec.securityContext.shareProcessNamespace Invalid"]),
        ({"ephemeralContainers": [container(name="e")]}, ["spec.ephemeralContainers Forbidden"]),
        (
            {"initContainers": [container(name="i", livenessProbe={"tcpSocket": {"port": 1}})]},
            ["spec.initContainers[0].livenessProbe Forbidden"],
        ),
        ({"initContainers": [container(name="i", restartPolicy="Always", livenessProbe={"tcpSocket": {"port": 1}})]}, []),
        ({"initContainers": [container()]}, ["spec.initContainers[0].name Duplicate"]),
    ],
)
def test_pod_specs(spec: dict[str, Any], expected: list[str]) -> None:
    assert refusals(POD, pod(**spec)) == expected


def test_causes_come_in_upstreams_order() -> None:
    obj = named("A", spec={"restartPolicy": "X", "containers": [{"name": "", "image": ""}]})
    assert refusals(POD, obj) == ["metadata.name Invalid", f"{C}.name Required", f"{C}.image Required", "spec.restartPolicy NotSupported"]


def test_messages_name_the_value_and_what_would_be_right() -> None:
    (cause,) = POD.validate(created(POD, pod_with(ports=[{"containerPort": 1, "protocol": "ICMP"}])))
    assert cause.message == 'Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'
    assert brief([cause]) == [f"{C}.ports[0].protocol NotSupported"]


def test_a_mirror_pod_names_its_node() -> None:
    mirror = pod(nodeName="n")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert refusals(POD, mirror) == []
    del mirror["spec"]["nodeName"]
    assert refusals(POD, mirror) == ["metadata.annotations[kubernetes.io/config.mirror] Invalid"]
