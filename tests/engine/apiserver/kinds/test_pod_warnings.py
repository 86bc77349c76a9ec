"""What a pod's author is warned about."""

import pytest

from pilothouse.engine.apiserver.kinds.pods import POD, PODTEMPLATE
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import container, created, named, pod, pod_with

PORT = {"containerPort": 80}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(), []),
        (pod_with(ports=[PORT, dict(PORT)]), ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
        (
            pod_with(resources={"requests": {"memory": "100m"}}),
            ['spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer'],
        ),
        (pod(imagePullSecrets=[{}]), ['spec.imagePullSecrets[0].name: invalid empty name ""']),
        (
            pod(volumes=[{"name": "v", "gitRepo": {"repository": "r"}}]),
            ["spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"],
        ),
        (pod(volumes=[{"name": "v", "projected": {"sources": [{}]}}]), ['volume "v" (Projected) has no sources provided']),
        (
            pod_with(ports=[{**PORT, "hostPort": 80}, {**PORT, "hostIP": "1.2.3.4"}]),
            [
                "spec.containers[0].ports[1]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.2.3.4}",
                "spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]",
            ],
        ),
        (
            pod_with(env=[{"name": "A", "value": "x"}, {"name": "A", "value": "$(A)y"}, {"name": "A", "value": "z"}]),
            ['spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply'],
        ),
        (
            pod(
                volumes=[{"name": "v", "configMap": {"name": "c", "items": [{"key": k, "path": p} for k, p in (("a", "d"), ("b", "d/e"))]}}]
            ),
            ['volume "v" (ConfigMap "c"): overlapping paths: "d/e" with "d"'],
        ),
        (
            pod(containers=[container(name=n, ports=[{"containerPort": p, "name": "a"}]) for n, p in (("c", 1), ("d", 2))]),
            [
                'spec.containers[1].ports[0]: duplicate port name "a" with spec.containers[0].ports[0], '
                "services and probes that select ports by name will use spec.containers[0].ports[0]"
            ],
        ),
        (pod(hostAliases=[{"ip": "1.1.1.1"}] * 2), ['spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']),
        (
            pod(hostAliases=[{"ip": "::0:1"}]),
            ['spec.hostAliases[0].ip: IPv6 address "::0:1" should be in RFC 5952 canonical format ("::1")'],
        ),
        (
            pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "beta.kubernetes.io/os", "whenUnsatisfiable": "ScheduleAnyway"}]),
            [
                "spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/os is deprecated since v1.14; "
                'use "kubernetes.io/os" instead',
                "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
            ],
        ),
        (
            named("a.b", spec={"containers": [container()]}),
            [
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
                "a DNS label is recommended: [must not contain dots]"
            ],
        ),
    ],
)
def test_doubtful_pods_are_accepted_with_a_warning(obj: Object, expected: list[str]) -> None:
    value = created(POD, obj)
    assert POD.validate(value) == []
    assert POD.warnings(value) == expected


def test_annotations_that_fields_have_replaced_are_warned_of() -> None:
    annotations = {"container.apparmor.security.beta.kubernetes.io/c": "runtime/default", "security.alpha.kubernetes.io/sysctls": "x"}
    obj = named(template={"metadata": {"annotations": annotations}, "spec": {"containers": [container()]}})
    assert PODTEMPLATE.warnings(created(PODTEMPLATE, obj)) == [
        'template.metadata.annotations[security.alpha.kubernetes.io/sysctls]: non-functional in v1.11+; use the "sysctls" field instead',
        "template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; "
        'use the "appArmorProfile" field instead',
    ]


def test_an_update_of_a_pod_warns_of_nothing() -> None:
    old = created(POD, pod(imagePullSecrets=[{}]))
    assert POD.warnings_on_update is not None
    assert POD.warnings_on_update(old, old) == []
