"""The priority levels and flow schemas that every cluster has: upstream's, and those of Pilothouse's own parts.

Source: apiserver/pkg/apis/flowcontrol/bootstrap/default.go. Beyond it: administrators have a level of their own, since theirs are not in
system:masters; the platform's service accounts are served with the controllers, the proxies of nodes with the nodes; and what
scrapes metrics is not held up.
"""

from collections.abc import Sequence

from pilothouse.engine.apiserver.fairness.configuration import BY_NAMESPACE, BY_USER, EVERY
from pilothouse.engine.apiserver.identity import AUTHENTICATED, MASTERS, NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED
from pilothouse.model.json import Object

ADMINISTRATORS = "administrators"
_QUEUE_LENGTH = 50
_ANY = [EVERY]


def priority_levels() -> list[Object]:
    return [
        {"metadata": {"name": "exempt"}, "spec": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}},
        _level("catch-all", 5, 0),
        _level("system", 30, 33, queues=64),
        _level("node-high", 40, 25, queues=64),
        _level("leader-election", 10, 0, queues=16, hand=4),
        _level("workload-high", 40, 50),
        _level("workload-low", 100, 90),
        _level("global-default", 20, 50),
        _level(ADMINISTRATORS, 30, 50),
    ]


def flow_schemas(administrators: str, platform: str) -> list[Object]:
    """administrators: their group. platform: the namespace of the platform's service accounts."""
    everybody = [_group(UNAUTHENTICATED), _group(AUTHENTICATED)]
    controllers = [_user("system:kube-controller-manager"), _user("system:kube-scheduler")]
    in_kube_system = [_account("kube-system")]
    proxies = [_user("system:kube-proxy"), _user("system:gateway")]
    return [
        _schema("exempt", "exempt", 1, "", [_group(MASTERS)]),
        _schema("probes", "exempt", 2, "", everybody, [], [_paths(["get"], ["/healthz", "/readyz", "/livez"])]),
        _schema("monitoring", "exempt", 3, "", [_group("system:monitoring")], [], [_paths(["get"], ["/metrics"])]),
        _schema(
            "system-leader-election", "leader-election", 100, BY_USER, [*controllers, *in_kube_system], _elections(["kube-system"]), []
        ),
        _schema("workload-leader-election", "leader-election", 200, BY_USER, in_kube_system, _elections(_ANY), []),
        _schema("system-node-high", "node-high", 400, BY_USER, [_group(NODES)], _heartbeats(), []),
        _schema("system-nodes", "system", 500, BY_USER, [_group(NODES)]),
        _schema("node-proxies", "system", 600, BY_USER, proxies),
        _schema(ADMINISTRATORS, ADMINISTRATORS, 700, BY_USER, [_group(administrators)]),
        _schema("kube-controller-manager", "workload-high", 800, BY_NAMESPACE, controllers[:1]),
        _schema("kube-scheduler", "workload-high", 800, BY_NAMESPACE, controllers[1:]),
        _schema("kube-system-service-accounts", "workload-high", 900, BY_NAMESPACE, in_kube_system),
        _schema("platform-service-accounts", "workload-high", 910, BY_USER, [_account(platform)]),
        _schema("service-accounts", "workload-low", 9000, BY_USER, [_group(SERVICE_ACCOUNTS)]),
        _schema("global-default", "global-default", 9900, BY_USER, everybody),
        _schema("catch-all", "catch-all", 10000, BY_USER, everybody),
    ]


def _level(name: str, shares: int, lendable_percent: int, *, queues: int = 128, hand: int = 6) -> Object:
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": _QUEUE_LENGTH}
    response: Object = {"type": "Reject"} if name == "catch-all" else {"type": "Queue", "queuing": queuing}
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable_percent, "limitResponse": response}
    return {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}


def _schema(
    name: str,
    level: str,
    precedence: int,
    distinguisher: str,
    subjects: Sequence[Object],
    resources: Sequence[Object] | None = None,
    paths: Sequence[Object] | None = None,
) -> Object:
    """Without rules it is for everything that the subjects ask for."""
    rules: Object = {"subjects": list(subjects)}
    chosen_resources = [_resources(_ANY, _ANY, _ANY, _ANY, cluster=True)] if resources is None else list(resources)
    chosen_paths = [_paths(_ANY, _ANY)] if paths is None else list(paths)
    rules |= {"resourceRules": chosen_resources} if chosen_resources else {}
    rules |= {"nonResourceRules": chosen_paths} if chosen_paths else {}
    spec: Object = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": [rules]}
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    return {"metadata": {"name": name}, "spec": spec}


def _elections(namespaces: Sequence[str]) -> list[Object]:
    verbs = ["get", "create", "update"]
    locks = _resources(verbs, [""], ["endpoints", "configmaps"], namespaces)
    return [locks, _resources(verbs, ["coordination.k8s.io"], ["leases"], _ANY)]


def _heartbeats() -> list[Object]:
    nodes = _resources(_ANY, [""], ["nodes", "nodes/status"], _ANY, cluster=True)
    return [nodes, _resources(_ANY, ["coordination.k8s.io"], ["leases"], _ANY)]


def _resources(
    verbs: Sequence[str], groups: Sequence[str], resources: Sequence[str], namespaces: Sequence[str], *, cluster: bool = False
) -> Object:
    rule: Object = {"verbs": list(verbs), "apiGroups": list(groups), "resources": list(resources), "namespaces": list(namespaces)}
    return rule | {"clusterScope": True} if cluster else rule


def _paths(verbs: Sequence[str], paths: Sequence[str]) -> Object:
    return {"verbs": list(verbs), "nonResourceURLs": list(paths)}


def _group(name: str) -> Object:
    return {"kind": "Group", "group": {"name": name}}


def _user(name: str) -> Object:
    return {"kind": "User", "user": {"name": name}}


def _account(namespace: str) -> Object:
    return {"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": EVERY}}
