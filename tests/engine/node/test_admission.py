"""What a node rejects, and the signals by which pods end their containers."""

import signal
from pathlib import Path

import pytest

from pilothouse.engine.node.host import selinux
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.allocation import asks
from pilothouse.engine.node.pod.signals import number, stop_signal
from pilothouse.engine.node.request.admission import misplaced, needs_features, rejection, shortage, taken
from pilothouse.engine.node.runtime.seam import Features
from pilothouse.model.host_ports import host_ports
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec

STRICT: Object = {"securityContext": {"supplementalGroupsPolicy": "Strict"}}


def test_kernel_parameters_are_rejected_unless_they_are_safe_or_allowed() -> None:
    wanted = pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}, {"name": "kernel.msgmax", "value": "1"}]})
    why = rejection(wanted, (), Features())
    assert why == ("SysctlForbidden", 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted')
    assert rejection(wanted, ("kernel.msg*",), Features()) is None


def test_strict_groups_need_a_runtime_that_knows_them() -> None:
    why = rejection(pod(**STRICT), (), Features())
    assert why is not None
    assert why.reason == "SupplementalGroupsPolicyNotSupported"
    assert rejection(pod(**STRICT), (), Features(supplemental_groups_policy=True)) is None
    assert (needs_features(pod(**STRICT)), needs_features(pod())) == (True, False)


@pytest.mark.parametrize(
    "asking_for_labels",
    [
        pod(securityContext={"seLinuxOptions": {"level": "s0"}}),
        pod(securityContext={"seLinuxChangePolicy": "Recursive"}),
        pod(initContainers=[spec("i", securityContext={"seLinuxOptions": {"level": "s0"}})]),
    ],
)
def test_labels_are_no_matter_unless_the_kernel_goes_by_them(asking_for_labels: Object, tmp_path: Path) -> None:
    assert rejection(asking_for_labels, (), Features()) is None
    assert rejection(pod(), (), Features(), has_selinux=True) is None
    why = rejection(asking_for_labels, (), Features(), has_selinux=True)
    assert why is not None
    assert why.reason == "SELinuxNotSupported"
    assert not selinux.is_enabled(tmp_path / "enforce")
    (tmp_path / "enforce").touch()
    assert selinux.is_enabled(tmp_path / "enforce")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGTERM", signal.SIGTERM),
        ("SIGUSR1", signal.SIGUSR1),
        ("SIGCLD", signal.SIGCHLD),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMAX-1", signal.SIGRTMAX - 1),
        ("SIGRTMAX", signal.SIGRTMAX),
    ],
)
def test_signals_have_numbers(name: str, value: int) -> None:
    assert number(name) == value
    assert stop_signal(spec(lifecycle={"stopSignal": name})) == value
    assert stop_signal(spec()) == 0


def test_every_signal_that_the_api_takes_has_a_number() -> None:
    from pilothouse.engine.apiserver.kinds.pod_validation.stop_signals import LINUX

    assert len(LINUX) == 65
    assert all(0 < number(name) <= 64 for name in LINUX)


ROOM: Object = {"cpu": "2", "memory": "1Gi", "pods": "3"}


def asking(cpu: str = "0", memory: str = "0", name: str = "main", **more: object) -> Object:
    return spec(name, resources={"requests": {"cpu": cpu, "memory": memory}}, **more)


@pytest.mark.parametrize(
    ("wanted", "others", "why"),
    [
        (pod(asking("500m")), [pod(asking("1500m"))], None),
        (
            pod(asking("501m")),
            [pod(asking("1")), pod(asking("500m"))],
            ("OutOfcpu", "cpu, requested: 501, used: 1500, capacity: 2000"),
        ),
        (
            pod(asking(memory="1Gi")),
            [pod(asking(memory="1"))],
            ("OutOfmemory", "memory, requested: 1073741824, used: 1, capacity: 1073741824"),
        ),
        (pod(), [pod()] * 3, ("OutOfpods", "pods, requested: 1, used: 3, capacity: 3")),
        (pod(), [pod(asking("9"))], None),
    ],
)
def test_a_pod_that_the_node_has_no_room_for_is_rejected(wanted: Object, others: list[Object], why: tuple[str, str] | None) -> None:
    found = shortage(asks(wanted), [asks(each) for each in others], ROOM)
    if why is None:
        assert found is None
    else:
        assert found == (why[0], f"Pod was rejected: Node didn't have enough resource: {why[1]}")


def test_an_init_container_counts_beside_the_sidecars_before_it_as_for_the_scheduler() -> None:
    from pilothouse.engine.scheduler.demand import demand_of

    sidecar = asking("300m", name="s", restartPolicy="Always")
    for inits in ([sidecar, asking("1", name="i")], [asking("1", name="i"), sidecar], [asking("1", name="i")], [sidecar]):
        wanted = pod(asking("200m"), initContainers=inits)
        assert podspec.request(wanted, "cpu", milli=True) == demand_of(wanted).resources["cpu"]


def test_limits_of_init_containers_count_beside_the_sidecars_before_them() -> None:
    def limited(name: str, size: str, **more: object) -> Object:
        return spec(name, resources={"limits": {"ephemeral-storage": size}}, **more)

    sidecar, setup = limited("s", "3Mi", restartPolicy="Always"), limited("i", "10Mi")
    found = podspec.limit(pod(limited("main", "1Mi"), initContainers=[sidecar, setup]), "ephemeral-storage")
    assert found is not None
    assert found.value == 13 * 1024**2
    assert podspec.limit(pod(initContainers=[spec("i")]), "ephemeral-storage") is None


def required(*terms: Object) -> Object:
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}}


def expression(operator: str, *values: str, key: str = "disk") -> Object:
    return {"key": key, "operator": operator} | ({"values": list(values)} if values else {})


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "ssd", "zone": "a"}}, False),
        (required({"matchExpressions": [expression("In", "ssd", "nvme"), expression("DoesNotExist", key="zone")]}), True),
        (required({"matchExpressions": [expression("NotIn", "ssd")]}), False),
        (required({"matchExpressions": [expression("Gt", "7", key="cores")]}), True),
        (required({"matchExpressions": [expression("Lt", "8", key="cores")]}), False),
        (required({"matchFields": [expression("In", "n", key="metadata.name")]}), True),
        (required({"matchFields": [expression("In", "other", key="metadata.name")]}), False),
        (required({"matchExpressions": [expression("Exists", key="zone")]}, {"matchExpressions": [expression("Exists")]}), True),
        (required({}), False),
        ({"nodeSelector": {"zone": "a"}, **required({"matchExpressions": [expression("Exists")]})}, False),
    ],
)
def test_a_pod_that_asks_for_other_nodes_is_rejected(wanted: Object, fits: bool) -> None:
    message = "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert misplaced(pod(**wanted), "n", {"disk": "ssd", "cores": "8"}) == (None if fits else ("NodeAffinity", message))


def port(number: int, **more: object) -> Object:
    return spec(ports=[{"containerPort": number, **more}])


@pytest.mark.parametrize(
    ("wanted", "other", "fits"),
    [
        (pod(port(80)), pod(port(80)), True),
        (pod(port(80, hostPort=8080)), pod(port(81, hostPort=8080)), False),
        (pod(port(80, hostPort=8080)), pod(port(80, hostPort=8080, protocol="UDP")), True),
        (pod(port(80, hostPort=8080, hostIP="10.0.0.1")), pod(port(80, hostPort=8080, hostIP="10.0.0.2")), True),
        (pod(port(80, hostPort=8080, hostIP="10.0.0.1")), pod(port(80, hostPort=8080)), False),
        (pod(port(8080), hostNetwork=True), pod(port(80, hostPort=8080)), False),
        (pod(port(8080), hostNetwork=True), pod(initContainers=[port(80, hostPort=8080)]), True),
        (pod(port(8080), hostNetwork=True), pod(initContainers=[port(80, hostPort=8080) | {"restartPolicy": "Always"}]), False),
    ],
)
def test_a_pod_that_asks_for_a_port_of_the_node_that_another_has_is_rejected(wanted: Object, other: Object, fits: bool) -> None:
    message = "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert taken(wanted, host_ports(other)) == (None if fits else ("NodePorts", message))
