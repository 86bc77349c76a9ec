"""What a path asks for."""

import pytest

from pilothouse.engine.apiserver.request.routing import parse, verb_of


@pytest.mark.parametrize(
    ("path", "group", "namespace", "resource", "name", "subresource"),
    [
        ("/api/v1/pods", "", "", "pods", "", ""),
        ("/api/v1/namespaces/a/pods/b", "", "a", "pods", "b", ""),
        ("/api/v1/namespaces/a/pods/b/log", "", "a", "pods", "b", "log"),
        ("/api/v1/namespaces/a", "", "a", "namespaces", "a", ""),
        ("/api/v1/namespaces/a/finalize", "", "a", "namespaces", "a", "finalize"),
        ("/apis/apps/v1/namespaces/a/deployments/d/scale", "apps", "a", "deployments", "d", "scale"),
        ("/api/v1/nodes/n/", "", "", "nodes", "n", ""),
    ],
)
def test_a_resource_path_is_taken_apart(path: str, group: str, namespace: str, resource: str, name: str, subresource: str) -> None:
    target = parse(path)
    assert target.is_resource
    found = (target.group, target.namespace, target.resource, target.name, target.subresource)
    assert found == (group, namespace, resource, name, subresource)


@pytest.mark.parametrize("path", ["/", "/api", "/apis/apps/v1", "/version", "/healthz/etcd", "//api/v1/pods"])
def test_other_paths_are_no_resources(path: str) -> None:
    assert not parse(path).is_resource


def test_an_encoded_slash_is_a_slash() -> None:
    assert parse("/api/v1/namespaces/a/configmaps/b%2Fc").subresource == "c"


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("GET", "/api/v1/pods", "list"),
        ("GET", "/api/v1/namespaces/a/pods/b", "get"),
        ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection"),
        ("PUT", "/api/v1/namespaces/a/pods/b", "update"),
        ("POST", "/api/v1/namespaces/a/pods", "create"),
        ("GET", "/healthz", "get"),
    ],
)
def test_the_verb_follows_from_method_and_name(method: str, path: str, verb: str) -> None:
    assert verb_of(method, parse(path)) == verb
