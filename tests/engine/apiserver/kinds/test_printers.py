"""What `kubectl get` shows."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.printers.text import duration, shortened
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import NOW, changed, container, named

HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (10 * 60 + 5, "10m"),
        (179 * 60, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 120, "3h2m"),
        (9 * HOUR + 120, "9h"),
        (2 * DAY, "2d"),
        (3 * DAY + 5 * HOUR, "3d5h"),
        (8 * DAY + 5 * HOUR, "8d"),
        (3 * 365 * DAY + 4 * DAY, "3y4d"),
        (9 * 365 * DAY + 4 * DAY, "9y"),
    ],
)
def test_durations_get_coarser_with_length(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


def test_long_lists_are_cut() -> None:
    assert shortened("abcde") == "a,b,c + 2 more..."


def row(kind: str, obj: Object) -> dict[str, Any]:
    """The row of an object that is five minutes old, by column."""
    aged = changed(obj, "metadata.creationTimestamp", "2026-05-04T11:55:00Z")
    found = BUILT_IN[kind]
    return dict(zip((column.name for column in found.columns), found.cells(aged, NOW), strict=True))


RUNNING = {"name": "c", "ready": True, "restartCount": 0, "state": {"running": {}}}


def waiting(reason: str, **fields: Any) -> Object:
    return RUNNING | {"ready": False, "state": {"waiting": {"reason": reason}}, **fields}


def ended(**fields: Any) -> Object:
    return RUNNING | {"ready": False, "state": {"terminated": {"exitCode": 0, **fields}}}


@pytest.mark.parametrize(
    ("status", "ready", "shown"),
    [
        ({"phase": "Pending"}, "0/1", "Pending"),
        ({"phase": "Running", "containerStatuses": [RUNNING]}, "1/1", "Running"),
        ({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]}, "0/1", "CrashLoopBackOff"),
        ({"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff")]}, "0/1", "ImagePullBackOff"),
        ({"phase": "Failed", "containerStatuses": [ended(exitCode=137, reason="OOMKilled")]}, "0/1", "OOMKilled"),
        ({"phase": "Failed", "containerStatuses": [ended(exitCode=3)]}, "0/1", "ExitCode:3"),
        ({"phase": "Failed", "containerStatuses": [ended(exitCode=9, signal=9)]}, "0/1", "Signal:9"),
        ({"phase": "Succeeded", "containerStatuses": [ended(reason="Completed")]}, "0/1", "Completed"),
        ({"phase": "Running", "containerStatuses": [ended(reason="Completed"), RUNNING]}, "1/1", "NotReady"),
        (
            {
                "phase": "Running",
                "containerStatuses": [ended(reason="Completed"), RUNNING],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
            "1/1",
            "Running",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "0/1", "Evicted"),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}, "0/1", "SchedulingGated"),
    ],
)
def test_a_pods_status_is_the_most_telling_word(status: Object, ready: str, shown: str) -> None:
    found = row("pods", named(spec={"containers": [container()]}, status=status))
    assert (found["Ready"], found["Status"], found["Age"]) == (ready, shown, "5m")


INIT = [container(name="i"), container(name="j")]


@pytest.mark.parametrize(
    ("init", "shown"),
    [
        ([ended(), RUNNING | {"name": "j"}], "Init:1/2"),
        ([waiting("PodInitializing")], "Init:0/2"),
        ([waiting("ErrImagePull")], "Init:ErrImagePull"),
        ([ended(exitCode=2, reason="Error")], "Init:Error"),
        ([ended(exitCode=2)], "Init:ExitCode:2"),
    ],
)
def test_init_containers_speak_first(init: list[Object], shown: str) -> None:
    spec = {"containers": [container()], "initContainers": INIT}
    assert row("pods", named(spec=spec, status={"phase": "Pending", "initContainerStatuses": init}))["Status"] == shown


def test_a_sidecar_counts_as_a_container() -> None:
    spec = {"containers": [container()], "initContainers": [container(name="i", restartPolicy="Always")]}
    sidecar = RUNNING | {"name": "i", "started": True}
    found = row("pods", named(spec=spec, status={"phase": "Running", "initContainerStatuses": [sidecar], "containerStatuses": [RUNNING]}))
    assert (found["Ready"], found["Status"]) == ("2/2", "Running")


def test_restarts_say_how_long_ago() -> None:
    again = RUNNING | {"restartCount": 2, "lastState": {"terminated": {"finishedAt": "2026-05-04T11:55:00Z"}}}
    assert row("pods", named(spec={"containers": [container()]}, status={"containerStatuses": [again]}))["Restarts"] == "2 (5m ago)"


def test_a_dying_pod_is_terminating_unless_it_has_ended() -> None:
    dying = changed(
        named(spec={"containers": [container()]}, status={"phase": "Running"}), "metadata.deletionTimestamp", "2026-05-04T11:59:00Z"
    )
    assert row("pods", dying)["Status"] == "Terminating"
    assert row("pods", changed(dying, "status.phase", "Failed"))["Status"] == "Failed"


def test_wide_columns_of_a_pod() -> None:
    status = {"podIPs": [{"ip": "10.1.0.5"}], "conditions": [{"type": "x/y", "status": "True"}]}
    found = row("pods", named(spec={"nodeName": "n", "readinessGates": [{"conditionType": "x/y"}]}, status=status))
    assert (found["IP"], found["Node"], found["Nominated Node"], found["Readiness Gates"]) == ("10.1.0.5", "n", "<none>", "1/1")


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("Running", []),
        ("Failed", [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}]),
    ],
)
def test_the_row_of_a_pod_says_that_it_has_ended(phase: str, expected: list[Object]) -> None:
    tell = BUILT_IN["pods"].row_conditions
    assert tell is not None
    assert tell(named(status={"phase": phase})) == expected


def points(*ingress: Object) -> Object:
    return {"loadBalancer": {"ingress": list(ingress)}}


@pytest.mark.parametrize(
    ("kind", "obj", "expected"),
    [
        (
            "deployments.apps",
            named(
                spec={"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [container()]}}},
                status={"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
            ),
            {"Ready": "2/3", "Up-to-date": 3, "Available": 2, "Containers": "c", "Images": "img:1", "Selector": "a=b"},
        ),
        (
            "jobs.batch",
            named(spec={"completions": 3}, status={"succeeded": 1}),
            {"Status": "Running", "Completions": "1/3", "Duration": ""},
        ),
        (
            "jobs.batch",
            named(
                spec={"parallelism": 2},
                status={
                    "startTime": "2026-05-04T11:50:00Z",
                    "completionTime": "2026-05-04T11:51:00Z",
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            ),
            {"Status": "Complete", "Completions": "0/1 of 2", "Duration": "60s"},
        ),
        (
            "services",
            named(spec={"type": "NodePort", "clusterIP": "10.96.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}),
            {"Cluster-IP": "10.96.0.1", "External-IP": "<none>", "Port(s)": "80:30080/TCP", "Selector": "<none>"},
        ),
        ("services", named(spec={"type": "LoadBalancer"}), {"External-IP": "<pending>", "Port(s)": "<none>"}),
        (
            "services",
            named(spec={"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]}, status=points({"ip": "2.0.0.1"}, {"ip": "1.0.0.1"})),
            {"External-IP": "1.0.0.1,2.0.0.1,9.9.9.9"},
        ),
        ("services", named(spec={"selector": {"a": "1", "a-b": "2"}}), {"Selector": "a-b=2,a=1"}),
        ("endpoints", named(), {"Endpoints": "<none>"}),
        ("endpoints", named(subsets=[{"notReadyAddresses": [{"ip": "10.0.0.1"}]}]), {"Endpoints": ""}),
        ("endpointslices.discovery.k8s.io", named(ports=[{"name": "", "port": None}, {"name": "web"}]), {"Ports": ",web"}),
        (
            "ingresses.networking.k8s.io",
            named(spec={"rules": [{"host": "a"}, {}, {"host": "b"}, {"host": "c"}, {}]}),
            {"Hosts": "a,b,c + 2 more..."},
        ),
        ("ingresses.networking.k8s.io", named(spec={"rules": [{}, {}, {}, {"host": "a"}]}), {"Hosts": "a"}),
        (
            "services",
            named(spec={"type": "LoadBalancer"}, status={"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}),
            {"External-IP": "lb.example.com"},
        ),
        (
            "endpoints",
            named(subsets=[{"addresses": [{"ip": f"10.0.0.{i}"} for i in range(5)], "ports": [{"port": 80}]}]),
            {"Endpoints": "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more..."},
        ),
        ("endpointslices.discovery.k8s.io", named(addressType="IPv4"), {"Ports": "<unset>", "Endpoints": "<unset>"}),
        (
            "ingresses.networking.k8s.io",
            named(spec={"rules": [{"host": "a"}, {"host": "b"}], "tls": [{}]}),
            {"Class": "<none>", "Hosts": "a,b", "Ports": "80, 443"},
        ),
        (
            "nodes",
            changed(
                named(
                    spec={"unschedulable": True},
                    status={"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1"}},
                ),
                "metadata.labels",
                {"node-role.kubernetes.io/control-plane": ""},
            ),
            {"Status": "Ready,SchedulingDisabled", "Roles": "control-plane", "Version": "v1", "Internal-IP": "<none>"},
        ),
        (
            "resourcequotas",
            named(status={"hard": {"pods": "5", "limits.cpu": "2"}, "used": {"pods": "1"}}),
            {"Request": "pods: 1/5", "Limit": "limits.cpu: 0/2"},
        ),
        (
            "rolebindings.rbac.authorization.k8s.io",
            named(
                roleRef={"kind": "Role", "name": "r"},
                subjects=[{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}],
            ),
            {"Role": "Role/r", "Users": "u", "Groups": "", "ServiceAccounts": "n/s"},
        ),
        ("configmaps", named(data={"a": "b"}, binaryData={"c": "AA=="}), {"Data": 2}),
        ("secrets", named(type="Opaque", data={"a": "YQ=="}), {"Type": "Opaque", "Data": 1}),
    ],
)
def test_rows(kind: str, obj: Object, expected: dict[str, Any]) -> None:
    assert row(kind, obj).items() >= expected.items()


def shown(resource: str, obj: Object, column: str) -> Any:
    kind = BUILT_IN[resource]
    place = [each.name for each in kind.columns].index(column)
    return kind.cells(obj, NOW)[place]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([], "*"),
        (["", ""], "*"),
        (["a", "", "b"], "a,b"),
        (["a", "b", "c"], "a,b,c"),
        (["a", "", "b", "c", ""], "a,b,c + 2 more..."),
    ],
)
def test_hosts_of_an_ingress_are_counted_by_rules(hosts: list[str], expected: str) -> None:
    ingress = named(spec={"rules": [{"host": host} if host else {} for host in hosts]})
    assert shown("ingresses.networking.k8s.io", ingress, "Hosts") == expected


def test_points_of_a_load_balancer_are_in_order() -> None:
    points = {"loadBalancer": {"ingress": [{"ip": "9.9.9.9"}, {"hostname": "a.example.com"}, {"ip": "1.1.1.1"}]}}
    assert shown("ingresses.networking.k8s.io", named(spec={}, status=points), "Address") == "1.1.1.1,9.9.9.9,a.example.com"


def test_a_selector_is_shown_by_its_keys() -> None:
    expressions = [{"key": "a", "operator": "Exists"}, {"key": "z", "operator": "DoesNotExist"}]
    selector = {"matchLabels": {"m": "x"}, "matchExpressions": expressions}
    assert shown("replicasets.apps", named(spec={"selector": selector}), "Selector") == "a,m=x,!z"


def test_a_port_without_number_is_shown_by_its_name() -> None:
    ports = [{"name": "web"}, {"port": 80, "name": ""}, {}]
    assert shown("endpointslices.discovery.k8s.io", named(ports=ports), "Ports") == "web,80,*"
