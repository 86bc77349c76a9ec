"""Rules of single fields of pods that few pods touch: where upstream reports what is wrong with them."""

import pytest

from pilothouse.engine.apiserver.kinds.pods import POD, PODTEMPLATE
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, container, created, named, pod, pod_with, refusals, template

C, V = "spec.containers[0]", "spec.volumes[0]"
SELECTOR = {"matchLabels": {"a": "b"}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def env(kind: str, **ref: object) -> Object:
    return {"env": [{"name": "A", "valueFrom": {kind: ref}}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (env("fieldRef", fieldPath="spec.host"), []),
        (env("fieldRef", fieldPath="spec.nodeName['a']"), [f"{C}.env[0].valueFrom.fieldRef.fieldPath Invalid"]),
        (env("resourceFieldRef", resource="limits.memory", divisor="3"), [f"{C}.env[0].valueFrom.resourceFieldRef.divisor Invalid"]),
        (env("resourceFieldRef", resource="x.hugepages-2Mi"), [f"{C}.env[0].valueFrom.resourceFieldRef.resource NotSupported"]),
        (
            env("fileKeyRef", key="a=b", volumeName="V", path="/x/../y"),
            [f"{C}.env[0].valueFrom.fileKeyRef.{name} Invalid" for name in ("key", "volumeName", "path")]
            + [f"{C}.env[0].valueFrom.fileKeyRef.volumeName NotFound"],
        ),
        ({"envFrom": [{"secretRef": {"name": "s-"}}]}, []),
        (
            {"volumeMounts": [{"name": "kept", "mountPath": "/k", "recursiveReadOnly": "X"}]},
            [f"{C}.volumeMounts.recursiveReadOnly NotSupported"],
        ),
        (
            {"volumeDevices": [{"name": "kept", "devicePath": "/x/../y"}]},
            [f"{C}.volumeDevices[0].name Invalid", f"{C}.volumeDevices[0].devicePath Invalid"],
        ),
        ({"restartPolicyRules": [{"action": "Restart"}]}, [f"{C}.restartPolicy Required", f"{C}.restartPolicyRules[0].exitCodes Required"]),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{"action": "X", "exitCodes": {"operator": "Is"}}]},
            [f"{C}.restartPolicyRules[0].action NotSupported", f"{C}.restartPolicyRules[0].exitCodes.operator NotSupported"],
        ),
        (
            {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}] * 2},
            [f"{C}.resizePolicy[1] Duplicate"],
        ),
        (
            {"resources": {"limits": {"cpu": "1", "hugepages-2Mi": "3Mi"}}},
            [f"{C}.resources.limits[hugepages-2Mi] Invalid", f"{C}.resources.requests[hugepages-2Mi] Invalid"],
        ),
        (
            {"securityContext": {"appArmorProfile": {"type": "X", "localhostProfile": "y"}}},
            [f"{C}.securityContext.appArmorProfile.type NotSupported"],
        ),
        (
            {"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": " "}}},
            [f"{C}.securityContext.appArmorProfile.localhostProfile Invalid"],
        ),
        (
            {"securityContext": {"windowsOptions": {"runAsUserName": "a\\b\\c", "gmsaCredentialSpec": ""}}},
            [f"{C}.securityContext.windowsOptions.{name} Invalid" for name in ("gmsaCredentialSpec", "runAsUserName")],
        ),
    ],
)
def test_containers(fields: Object, expected: list[str]) -> None:
    obj = pod_with(**fields)
    obj["spec"]["volumes"] = [{"name": "kept", "emptyDir": {}}]
    assert refusals(POD, obj) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"nfs": {"server": "s"}}, [f"{V}.nfs.path Required", f"{V}.nfs.path Invalid"]),
        ({"gitRepo": {"repository": "r", "directory": "../x"}}, [f"{V}.gitRepo.directory Invalid"]),
        ({"gcePersistentDisk": {"pdName": "d", "partition": 256}}, [f"{V}.persistentDisk.partition Invalid"]),
        ({"iscsi": {"targetPortal": "p", "iqn": "x", "lun": 256}}, [f"{V}.iscsi.iqn Invalid", f"{V}.iscsi.lun Invalid"]),
        ({"iscsi": {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:a", "chapAuthSession": True}}, [f"{V}.iscsi.secretRef Required"]),
        ({"flexVolume": {"driver": "d", "options": {"a.k8s.io/b": "c"}}}, [f"{V}.flexVolume.options[a.k8s.io/b] Invalid"]),
        ({"azureDisk": {"diskName": "d", "diskURI": "x", "kind": "Managed"}}, [f"{V}.azureDisk.diskURI NotSupported"]),
        ({"csi": {"driver": "d", "nodePublishSecretRef": {}}}, [f"{V}.csi.nodePublishSecretRef.name Required"]),
        ({"emptyDir": {}, "downwardAPI": {}}, [f"{V}.downwarAPI Forbidden"]),
        (
            {
                "ephemeral": {
                    "volumeClaimTemplate": {"metadata": {"name": "x"}, "spec": {"accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]}}
                }
            },
            [
                f"{V}.ephemeral.volumeClaimTemplate.{below}"
                for below in ("metadata.name Forbidden", "spec.accessModes Forbidden", "spec.resources[storage] Required")
            ],
        ),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}}, [f"{V}.projected.path Required"]),
        (
            {"projected": {"sources": [{"secret": {"name": "s"}, "serviceAccountToken": {"path": "../t"}}]}},
            [f"{V}.projected.path Invalid", f"{V}.projected.sources[0] Forbidden"],
        ),
    ],
)
def test_volumes(source: Object, expected: list[str]) -> None:
    assert refusals(POD, pod(serviceAccountName="default", volumes=[{"name": "v", **source}])) == expected


def test_a_token_may_lie_where_another_source_lies() -> None:
    """The node writes one of both; upstream only warns."""
    sources = [{"serviceAccountToken": {"path": "t"}}, {"configMap": {"name": "c", "items": [{"key": "k", "path": "t"}]}}]
    assert refusals(POD, pod(serviceAccountName="default", volumes=[{"name": "v", "projected": {"sources": sources}}])) == []


def test_a_claim_that_is_made_for_the_pod_cannot_be_mounted_by_its_name() -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volumes = [
        {"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}},
        {"name": "v", "persistentVolumeClaim": {"claimName": "it-e"}},
    ]
    assert refusals(POD, pod(volumes=volumes)) == ["spec.volumes[1].persistentVolumeClaim.claimName Invalid"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"dnsPolicy": "None", "dnsConfig": {"options": [{}]}}, ["spec.dnsConfig.nameservers Required"]),
        ({"dnsConfig": {"searches": ["_a._tcp.b.", ".", "A"]}}, ["spec.dnsConfig.searches[2] Invalid"]),
        ({"runtimeClassName": ""}, ["spec.runtimeClassName Invalid"]),
        ({"hostnameOverride": "x", "hostNetwork": True}, ["spec.hostnameOverride Forbidden"]),
        ({"hostUsers": False, "hostPID": True}, ["spec.HostPID Forbidden"]),
        ({"overhead": {"cpu": "-1"}}, ["spec.overhead.limits[cpu] Invalid"]),
        ({"os": {}}, ["spec.os.name Required"]),
        (
            {"os": {"name": "windows"}, "hostIPC": True, "shareProcessNamespace": False},
            ["spec.hostIPC Forbidden", "spec.shareProcessNamespace Forbidden"],
        ),
        ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, ["spec.hostNetwork Invalid"]),
        ({"resources": {"limits": {"foo.com/x": "1"}}}, ["spec.resources.limits[foo.com/x] NotSupported"]),
        ({"tolerations": [{"key": "k", "operator": "Gt", "value": "1"}]}, ["spec.tolerations[0].operator NotSupported"]),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "In", "values": ["a b"]}]}]}
                    }
                }
            },
            [f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].values[0] Invalid"],
        ),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["A"]}]}]}
                    }
                }
            },
            [f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchFields[0].values[0] Invalid"],
        ),
        (
            {"affinity": {"podAffinity": {REQUIRED: [{"topologyKey": "z", "matchLabelKeys": ["a"]}]}}},
            [f"spec.affinity.podAffinity.{REQUIRED}[0].matchLabelKeys Forbidden"],
        ),
        (
            {
                "affinity": {
                    "podAffinity": {
                        REQUIRED: [{"topologyKey": "z", "labelSelector": SELECTOR, "matchLabelKeys": ["c"], "mismatchLabelKeys": ["c"]}]
                    }
                }
            },
            [f"spec.affinity.podAffinity.{REQUIRED}[0].matchLabelKeys[0] Invalid"],
        ),
        (
            {
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a b", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 0}]
                * 2
            },
            [
                "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable} Duplicate",
                *[f"spec.topologySpreadConstraints[{i}].minDomains Invalid" for i in (0, 0, 1, 1)],
            ],
        ),
        (
            {"initContainers": [container(name="i", resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}])]},
            ["spec.initContainers[0].resizePolicy[0].restartPolicy Invalid"],
        ),
        ({"resourceClaims": [{"name": "x", "resourceClaimName": "A"}]}, ["spec.resourceClaims[0].resourceClaimName Invalid"]),
    ],
)
def test_specs(spec: Object, expected: list[str]) -> None:
    assert refusals(POD, pod(**spec)) == expected


def test_resources_of_a_pod_hold_those_of_its_containers() -> None:
    asking = container(resources={"requests": {"cpu": "2"}, "limits": {"memory": "2Gi"}})
    obj = pod(containers=[asking], resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}})
    assert refusals(POD, obj) == [
        f"spec.resources.{below} Invalid" for below in ("requests", "requests[cpu]", "containers[0][memory].limits")
    ]


KINDS = ("kubernetes.io/config.mirror", "controller.kubernetes.io/pod-deletion-cost")
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (KINDS[1], "-5", []),
        (KINDS[1], "+5", [f"metadata.annotations[{KINDS[1]}] Invalid"]),
        (KINDS[1], "2147483648", [f"metadata.annotations[{KINDS[1]}] Invalid"]),
        ("seccomp.security.alpha.kubernetes.io/pod", "x", ["metadata.annotations.seccomp.security.alpha.kubernetes.io/pod Invalid"]),
        (f"{APP_ARMOR}c", "runtime/default", []),
        (f"{APP_ARMOR}d", "runtime/default", [f"metadata.annotations[{APP_ARMOR}d] Invalid"]),
        (f"{APP_ARMOR}c", "x", [f"metadata.annotations[{APP_ARMOR}c] Invalid"]),
    ],
)
def test_annotations(key: str, value: str, expected: list[str]) -> None:
    obj = pod()
    obj["metadata"]["annotations"] = {key: value}
    assert refusals(POD, obj) == expected


def test_an_annotation_and_the_field_that_replaces_it_agree() -> None:
    obj = pod(securityContext={"seccompProfile": {"type": "Unconfined"}})
    obj["metadata"]["annotations"] = {"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"}
    assert refusals(POD, obj) == ["spec.securityContext.seccompProfile.type Forbidden"]


def test_an_apparmor_profile_that_an_annotation_names_becomes_a_field() -> None:
    obj = pod()
    obj["metadata"]["annotations"] = {f"{APP_ARMOR}c": "localhost/p"}
    profile = created(POD, obj)["spec"]["containers"][0]["securityContext"]["appArmorProfile"]
    assert profile == {"type": "Localhost", "localhostProfile": "p"}


def test_keys_of_labels_become_requirements_on_their_values() -> None:
    term = {"topologyKey": "z", "labelSelector": SELECTOR, "matchLabelKeys": ["app", "gone"], "mismatchLabelKeys": ["tier"]}
    obj = pod(affinity={"podAntiAffinity": {REQUIRED: [term]}})
    obj["metadata"]["labels"] = {"app": "web", "tier": "x"}
    made = created(POD, obj)["spec"]["affinity"]["podAntiAffinity"][REQUIRED][0]["labelSelector"]["matchExpressions"]
    assert made == [{"key": "app", "operator": "In", "values": ["web"]}, {"key": "tier", "operator": "NotIn", "values": ["x"]}]
    assert refusals(POD, obj) == []


def test_a_key_is_selected_by_once() -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    obj = pod(affinity={"podAffinity": {REQUIRED: [{"topologyKey": "z", "labelSelector": selector, "matchLabelKeys": ["app"]}]}})
    obj["metadata"]["labels"] = {"app": "web"}
    assert refusals(POD, obj) == [f"spec.affinity.podAffinity.{REQUIRED}[0][0] Invalid"]


def test_ports_of_the_host_are_left_to_the_pods_of_a_template() -> None:
    def of(host_port: int) -> Object:
        ports = [{"containerPort": 80, "hostPort": host_port}]
        return named(template=template(hostNetwork=True, containers=[container(ports=ports)]))

    assert refusals(PODTEMPLATE, of(0)) == []
    assert refusals(PODTEMPLATE, of(81)) == ["template.spec.containers[0].ports[0].hostPort Invalid"]


def test_metadata_of_a_template_is_reported_at_the_template() -> None:
    obj = named(template=template())
    obj["template"]["metadata"] = {"labels": {"a b": "c"}, "annotations": {KINDS[1]: "x"}}
    assert brief(PODTEMPLATE.validate(created(PODTEMPLATE, obj))) == [
        "template.labels Invalid",
        f"template.annotations[{KINDS[1]}] Invalid",
    ]
