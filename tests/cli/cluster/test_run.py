"""What `ph run platform` decides before it begins."""

import pytest

from pilothouse.cli.cluster.access import database_needs, needs
from pilothouse.cli.cluster.run import knows_sleep


@pytest.mark.parametrize(
    ("version", "knows"),
    [
        ("v1.36.2", True),
        ("v1.30.0-eks-1234567", True),
        ("v1.29.15+k3s1", False),
        ("v1.20.2", False),
        ("v2.0.0", True),
        ("", True),
    ],
)
def test_pods_sleep_before_they_end_only_where_the_cluster_knows_how(version: str, knows: bool) -> None:
    assert knows_sleep(version) is knows


def test_a_need_reads_like_the_rule_of_a_role() -> None:
    told = {need.told(need.verbs) for need in needs(builds=True)}
    assert "patch apps/status.apps.pilothouse.dev in all namespaces" in told
    assert "get, create, update leases.coordination.k8s.io in namespace kube-system" in told
    assert "get pods/log in all namespaces" in told


def test_who_builds_nothing_needs_no_rights_to_make_pods() -> None:
    assert not [need for need in needs(builds=False) if need.resource.plural == "pods" and "create" in need.verbs]


def test_databases_need_what_their_parts_may_do_on_a_cluster_of_ours_and_to_read_secrets() -> None:
    verbs = {need.told(()).strip(): set(need.verbs) for need in database_needs()}
    assert {"list", "patch", "watch"} <= verbs["apps.apps.pilothouse.dev in all namespaces"]
    assert {"list", "watch", "create", "update"} <= verbs["secrets in all namespaces"]
    assert "patch" in verbs["pods/resize in all namespaces"]
