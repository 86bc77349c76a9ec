"""Who may connect to the members of an instance: a NetworkPolicy (pure).

SQL: the pods of bound apps, whatever process of the app they are of, named clients, members, and Jobs that work for the instance. The
agents: the platform, members, Jobs, and whoever may read metrics, who gets nothing else of an agent without a certificate. Nobody else, in
the namespace or elsewhere.
"""

from collections.abc import Iterator, Sequence

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names

APP = "apps.pilothouse.dev/app"
PROCESS_OF = "apps.pilothouse.dev/process-of"
"""Labels of an app's pods, known by their names only: of `web`, and of every other process, Jobs among them."""
NAMESPACE_NAME = "kubernetes.io/metadata.name"


def policy(instance: Object, bindings: Sequence[Object], platform: Sequence[str]) -> Object:
    """bindings: of the instance's namespace. platform: addresses, in CIDR notation, from which the operator speaks to the agents."""
    name = meta.name(instance)
    inside = [_pods(labels.selector(name)), _pods({labels.JOB: name})]
    sql = [*inside, *_apps(bound_apps(instance, bindings)), *_named(instance, "clients")]
    agents = [*inside, *({"ipBlock": {"cidr": each}} for each in platform), *_named(instance, "metrics")]
    return {
        "apiVersion": kinds.NETWORKPOLICIES.api_version,
        "kind": kinds.NETWORKPOLICIES.kind,
        "metadata": labels.metadata(instance, name),
        "spec": {
            "podSelector": {"matchLabels": labels.selector(name)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": sql, "ports": [_port(names.PORT)]},
                {"from": agents, "ports": [_port(names.AGENT_PORT)]},
            ],
        },
    }


def bound_apps(instance: Object, bindings: Sequence[Object]) -> list[str]:
    """The apps that may connect, sorted. One that is being unbound may until its binding has gone: its last revision still runs."""
    mine = [each["spec"] for each in bindings if meta.namespace(each) == meta.namespace(instance)]
    service = {"kind": "MySQL", "name": meta.name(instance)}
    return sorted({spec["app"] for spec in mine if {"kind": "MySQL"} | spec["service"] == service})


def _apps(apps: Sequence[str]) -> Iterator[Object]:
    if apps:
        for label in (APP, PROCESS_OF):
            yield {"podSelector": {"matchExpressions": [{"key": label, "operator": "In", "values": list(apps)}]}}


def _named(instance: Object, access: str) -> Iterator[Object]:
    for each in (instance["spec"].get("access") or {}).get(access) or ():
        yield from _client(each)


def _client(client: Object) -> Iterator[Object]:
    """Nothing of one that names neither pods nor addresses: an empty selector would let the whole namespace in."""
    if client.get("cidr"):
        yield {"ipBlock": {"cidr": client["cidr"]}}
    chosen, namespace = client.get("labels") or {}, client.get("namespace")
    if chosen or namespace:
        peer: Object = {"podSelector": {"matchLabels": chosen}} if chosen else {"podSelector": {}}
        yield peer | ({"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: namespace}}} if namespace else {})


def _pods(chosen: dict[str, str]) -> Object:
    return {"podSelector": {"matchLabels": chosen}}


def _port(number: int) -> Object:
    return {"protocol": "TCP", "port": number}
