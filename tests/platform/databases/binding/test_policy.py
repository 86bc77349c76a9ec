from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.objects.policy import policy

ORDERS: Object = {"metadata": {"name": "orders", "namespace": "default", "uid": "u"}, "spec": {}}
INSIDE = [
    {"podSelector": {"matchLabels": {"databases.pilothouse.dev/instance": "orders"}}},
    {"podSelector": {"matchLabels": {"databases.pilothouse.dev/job": "orders"}}},
]


def binding(app: str, service: str = "orders", namespace: str = "default") -> Object:
    return {"metadata": {"name": app, "namespace": namespace}, "spec": {"app": app, "service": {"name": service}}}


def sources(instance: Object, *bindings: Object, platform: tuple[str, ...] = ()) -> dict[int, list[Object]]:
    rules = policy(instance, bindings, platform)["spec"]["ingress"]
    return {rule["ports"][0]["port"]: rule["from"] for rule in rules}


def test_without_bindings_and_clients_only_its_own_pods_get_in() -> None:
    assert sources(ORDERS) == {3306: INSIDE, 8443: INSIDE}


def test_every_process_of_a_bound_app_gets_in() -> None:
    found = sources(ORDERS, binding("shop"), binding("blog"), binding("other", "stock"), binding("far", namespace="team"))[3306]
    values = {each["podSelector"]["matchExpressions"][0]["key"]: each["podSelector"]["matchExpressions"][0]["values"] for each in found[2:]}
    assert values == {"apps.pilothouse.dev/app": ["blog", "shop"], "apps.pilothouse.dev/process-of": ["blog", "shop"]}


def test_named_clients_reach_sql_and_no_agent() -> None:
    clients = [{"labels": {"a": "b"}}, {"namespace": "tools", "labels": {"a": "b"}}, {"namespace": "all"}, {"cidr": "10.1.0.0/16"}, {}]
    found = sources(ORDERS | {"spec": {"access": {"clients": clients}}})
    assert found[3306][2:] == [
        {"podSelector": {"matchLabels": {"a": "b"}}},
        {"podSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tools"}}},
        {"podSelector": {}, "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "all"}}},
        {"ipBlock": {"cidr": "10.1.0.0/16"}},
    ]
    assert found[8443] == INSIDE


def test_whoever_may_read_metrics_reaches_the_agents_and_no_sql() -> None:
    metrics = [{"namespace": "monitoring", "labels": {"app.kubernetes.io/name": "prometheus"}}]
    found = sources(ORDERS | {"spec": {"access": {"metrics": metrics}}})
    peer = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    }
    assert (found[3306], found[8443]) == (INSIDE, [*INSIDE, peer])


def test_the_platform_reaches_the_agents_and_no_sql() -> None:
    found = sources(ORDERS, platform=("10.0.0.2/32",))
    assert (found[3306], found[8443][2:]) == (INSIDE, [{"ipBlock": {"cidr": "10.0.0.2/32"}}])
