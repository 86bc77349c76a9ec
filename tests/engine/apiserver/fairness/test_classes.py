"""Which level serves whom: a table over the configuration that every cluster has."""

import pytest

from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.fairness import defaults
from pilothouse.engine.apiserver.fairness.configuration import flow_schema, priority_level
from pilothouse.engine.apiserver.fairness.control import Fairness
from pilothouse.engine.apiserver.identity import ANONYMOUS, AUTHENTICATED, CONTROLLER_MANAGER, SCHEDULER, User, controller, service_account
from pilothouse.engine.apiserver.request.routing import parse, verb_of
from pilothouse.platform.rights import SYSTEM
from tests.people import ADMIN, MASTER, node, platform_part

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n"
PODS = "/api/v1/namespaces/default/pods"
TENANT = service_account("tenant", "default")

CASES = [
    (MASTER, "GET", PODS, "exempt", "exempt"),
    (ANONYMOUS, "GET", "/livez", "probes", "exempt"),
    (TENANT, "GET", "/readyz", "probes", "exempt"),
    (User("prometheus", ("system:monitoring", AUTHENTICATED)), "GET", "/metrics", "monitoring", "exempt"),
    (TENANT, "GET", "/metrics", "service-accounts", "workload-low"),
    (node("n"), "PUT", LEASE, "system-node-high", "node-high"),
    (node("n"), "PATCH", "/api/v1/nodes/n/status", "system-node-high", "node-high"),
    (node("n"), "GET", PODS, "system-nodes", "system"),
    (User("system:kube-proxy", (AUTHENTICATED,)), "GET", "/api/v1/services", "node-proxies", "system"),
    (ADMIN, "GET", PODS, "administrators", "administrators"),
    (CONTROLLER_MANAGER, "PUT", LEASE, "system-leader-election", "leader-election"),
    (CONTROLLER_MANAGER, "GET", PODS, "kube-controller-manager", "workload-high"),
    (SCHEDULER, "GET", PODS, "kube-scheduler", "workload-high"),
    (controller("deployment-controller"), "POST", PODS, "kube-system-service-accounts", "workload-high"),
    (platform_part("apps"), "POST", PODS, "platform-service-accounts", "workload-high"),
    (TENANT, "POST", PODS, "service-accounts", "workload-low"),
    (User("jane", (AUTHENTICATED,)), "GET", PODS, "global-default", "global-default"),
    (ANONYMOUS, "GET", PODS, "global-default", "global-default"),
    (User("nobody"), "GET", PODS, "catch-all", "catch-all"),
]


@pytest.fixture(scope="module")
def fairness() -> Fairness:
    return Fairness(map(flow_schema, defaults.flow_schemas(ADMINS, SYSTEM)), map(priority_level, defaults.priority_levels()))


@pytest.mark.parametrize(
    ("user", "method", "path", "schema", "level"), CASES, ids=[f"{case[0].name} {case[1]} {case[2]}" for case in CASES]
)
def test_everybody_has_a_place(fairness: Fairness, user: User, method: str, path: str, schema: str, level: str) -> None:
    found = fairness.classify(user, verb_of(method, parse(path)), parse(path))
    assert (found[0].name, found[1].settings.name) == (schema, level)


def test_users_are_flows_of_their_own(fairness: Fairness) -> None:
    schema, _ = fairness.classify(TENANT, "list", parse(PODS))
    assert schema.flow(TENANT, parse(PODS)) != schema.flow(service_account("other", "default"), parse(PODS))


def test_no_level_can_be_emptied_by_what_others_borrow(fairness: Fairness) -> None:
    limited = [level for level in fairness.levels if not level.settings.exempt]
    assert all(level.kept >= 1 for level in limited)
    assert sum(level.kept for level in limited) + limited[0].pool.size == sum(level.nominal for level in limited)


def test_made_up_names_are_not_kept(fairness: Fairness) -> None:
    """Whoever may speak for the service accounts of a namespace may name any."""
    kept = fairness._classifier
    before = len(kept._by_user), len(kept._found)
    for number in range(10):
        user = User(f"system:serviceaccount:tenant:{number:010000}", TENANT.groups)
        assert fairness.classify(user, "list", parse(PODS))[0].name == "service-accounts"
    assert (len(kept._by_user), len(kept._found)) == before


async def test_neither_are_they_as_names_of_flows_and_each_is_a_flow_of_its_own(fairness: Fairness) -> None:
    users = [User(f"system:serviceaccount:tenant:{number:010000}", TENANT.groups) for number in range(2)]
    schema, level = fairness.classify(users[0], "list", parse(PODS))
    seats = [await fairness.enter(schema, level, user, parse(PODS)) for user in users]
    assert len(level._flows) == 2
    assert max(map(len, level._flows)) < 100
    for seat in seats:
        assert seat is not None
        seat.release()
