import pytest

from pilothouse.model.kinds import DEPLOYMENTS, NODES, PODS


def test_a_path_is_the_collection_the_object_or_its_subresource() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("team", "shop", "log") == "/api/v1/namespaces/team/pods/shop/log"
    assert DEPLOYMENTS.path("team") == "/apis/apps/v1/namespaces/team/deployments"
    assert NODES.path(None, "system:one") == "/api/v1/nodes/system:one"


@pytest.mark.parametrize(
    ("name", "segment"), [("a b", "a%20b"), ("a/b", "a%2Fb"), ("ü", "%C3%BC"), ("..", "%2E%2E"), ("a?b#c", "a%3Fb%23c"), ("50%", "50%25")]
)
def test_a_name_stays_one_segment_whatever_it_holds(name: str, segment: str) -> None:
    assert PODS.path("default", name) == f"/api/v1/namespaces/default/pods/{segment}"
    assert PODS.path(name) == f"/api/v1/namespaces/{segment}/pods"
