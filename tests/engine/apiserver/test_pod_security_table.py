"""The Pod Security Standards, check by check."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.admission.pod_security.policy import Level, policy_of
from pilothouse.engine.apiserver.admission.pod_security.table import findings
from pilothouse.model.json import Object

CAREFUL = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def spec(security: Object | None = None, pod: Object | None = None, **fields: Any) -> Object:
    return {"containers": [{"name": "c", "securityContext": security or {}}], "securityContext": pod or {}, **fields}


def container(**fields: Any) -> Object:
    return {"containers": [{"name": "c", **fields}]}


def told(level: Level, spec: Object, metadata: Object | None = None) -> list[str]:
    return [f"{each.reason} ({each.detail})" for each in findings(level, metadata or {}, spec)]


def baseline(spec: Object, minor: int | None = None, metadata: Object | None = None) -> list[str]:
    return told(Level("baseline", minor), spec, metadata)


def restricted(security: Object, pod: Object | None = None, minor: int | None = None, **fields: Any) -> list[str]:
    """What is wrong with a pod that is careful in everything but this."""
    return told(Level("restricted", minor), spec(CAREFUL | security, RESTRICTED_POD | (pod or {}), **fields))


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (spec(hostNetwork=True, hostIPC=True), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (spec({"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
        (
            spec({"capabilities": {"add": ["SYS_ADMIN", "CHOWN", "NET_RAW"]}}),
            'non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)',
        ),
        (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (container(ports=[{"hostPort": 8080}, {"hostPort": 90}]), 'hostPort (container "c" uses hostPorts 8080, 90)'),
        (
            spec({"appArmorProfile": {"type": "Unconfined"}}),
            'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
        ),
        (
            spec(pod={"seLinuxOptions": {"type": "spc_t", "user": "u"}}),
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
        ),
        (spec({"procMount": "Unmasked"}), 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'),
        (
            spec({"seccompProfile": {"type": "Unconfined"}}, {"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (spec(pod={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "forbidden sysctls (kernel.msgmax)"),
        (
            spec(pod={"windowsOptions": {"hostProcess": True}}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            container(livenessProbe={"httpGet": {"host": "1.2.3.4"}}, lifecycle={"preStop": {"tcpSocket": {"host": "x"}}}),
            'probe or lifecycle host (container "c" uses probe or lifecycle hosts "1.2.3.4", "x")',
        ),
    ],
)
def test_the_baseline_forbids_each_known_way_to_the_host(spec: Object, wanted: str) -> None:
    assert baseline(spec) == [wanted]
    assert told(Level("privileged"), spec) == []


@pytest.mark.parametrize("kind", ["initContainers", "containers", "ephemeralContainers"])
def test_every_kind_of_container_is_looked_at(kind: str) -> None:
    bad = {"name": "c", "securityContext": {"privileged": True}}
    assert baseline({"containers": [], kind: [bad]}) == ['privileged (container "c" must not set securityContext.privileged=true)']


def test_the_baseline_lets_an_ordinary_pod_in() -> None:
    ordinary = {"capabilities": {"add": ["NET_BIND_SERVICE"]}, "seccompProfile": {"type": "Localhost"}, "runAsUser": 0}
    assert baseline(spec(ordinary, volumes=[{"name": "v", "nfs": {}}])) == []


@pytest.mark.parametrize(
    ("security", "pod", "reason"),
    [
        ({"allowPrivilegeEscalation": None}, {}, "allowPrivilegeEscalation != false"),
        ({"capabilities": {"drop": ["KILL"]}}, {}, "unrestricted capabilities"),
        ({"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}, {}, "unrestricted capabilities"),
        ({}, {"runAsNonRoot": None}, "runAsNonRoot != true"),
        ({"runAsNonRoot": False}, {}, "runAsNonRoot != true"),
        ({"runAsUser": 0}, {}, "runAsUser=0"),
        ({}, {"seccompProfile": None}, "seccompProfile"),
        ({"seccompProfile": {"type": "Unconfined"}}, {}, "seccompProfile"),
    ],
)
def test_restricted_demands_each_precaution(security: Object, pod: Object, reason: str) -> None:
    assert [said.partition(" (")[0] for said in restricted(security, pod)] == [reason]


def test_restricted_lets_a_careful_pod_in() -> None:
    assert restricted({"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}, volumes=[{"name": "v", "emptyDir": {}}]) == []


def test_restricted_knows_which_volumes_are_harmless() -> None:
    volumes = [{"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "nfs": {}}, {"name": "c", "csi": {}}]
    wanted = 'restricted volume types (volumes "a", "b" use restricted volume types "hostPath", "nfs")'
    assert restricted({}, volumes=volumes) == [wanted]


def test_checks_hold_from_the_version_that_brought_them() -> None:
    probed = container(livenessProbe={"tcpSocket": {"host": "x"}})
    assert (len(baseline(probed, 33)), len(baseline(probed, 34))) == (0, 1)
    reserved = spec(pod={"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports", "value": "1"}]})
    assert (len(baseline(reserved, 26)), len(baseline(reserved, 27))) == (1, 0)
    engine = spec(pod={"seLinuxOptions": {"type": "container_engine_t"}})
    assert (len(baseline(engine, 30)), len(baseline(engine, 31))) == (1, 0)
    assert (len(restricted({"runAsUser": 0}, minor=22)), len(restricted({"runAsUser": 0}, minor=23))) == (0, 1)
    assert baseline(probed, 99999) == baseline(probed)


def test_old_versions_read_the_annotations_of_their_time() -> None:
    noted = {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}}
    wanted = 'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    assert (baseline(spec(), 18, noted), baseline(spec(), 19, noted)) == ([wanted], [])


def test_apparmor_by_annotation_counts_too() -> None:
    noted = {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}}
    key = 'container.apparmor.security.beta.kubernetes.io/c="unconfined"'
    assert baseline(spec(), None, noted) == [f'forbidden AppArmor profile (annotation must not set AppArmor profile type to "{key}")']


def test_root_of_a_user_namespace_is_harmless() -> None:
    assert restricted({"runAsUser": 0, "runAsNonRoot": False}, hostUsers=False) == []
    assert len(restricted({"runAsUser": 0, "runAsNonRoot": False}, minor=34, hostUsers=False)) == 2
    unmasked = spec({"procMount": "Unmasked"}, hostUsers=False)
    assert (len(baseline(unmasked)), len(baseline(unmasked, 34)), len(told(Level("restricted"), unmasked))) == (0, 1, 4)


def test_pods_for_windows_are_not_asked_for_what_they_cannot_set() -> None:
    windows = spec({}, {"runAsNonRoot": True}, os={"name": "windows"})
    assert (told(Level("restricted"), windows), len(told(Level("restricted", 24), windows))) == ([], 3)


def test_a_long_list_of_containers_is_cut() -> None:
    many = {"containers": [{"name": f"c{number}", "securityContext": {"privileged": True}} for number in range(1000)]}
    (said,) = baseline(many)
    assert "and 968 more must not set" in said
    assert len(said) < 400


def test_a_stricter_enforcement_warns_of_templates_too() -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.24"}
    assert str(policy_of(labels).warn) == "baseline:v1.24"
    assert policy_of(labels | {"pod-security.kubernetes.io/warn": "privileged"}).warn.name == "privileged"


def test_a_label_that_cannot_be_read_forbids_the_most() -> None:
    policy = policy_of({"pod-security.kubernetes.io/enforce": "frob", "pod-security.kubernetes.io/warn": "frob"})
    assert (str(policy.enforce), policy.warn.name) == ("restricted:latest", "privileged")
