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


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/api/v1/namespaces/a/pods/b/proxy", ""),
        ("/api/v1/namespaces/a/pods/b/proxy/", "/"),
        ("/api/v1/namespaces/a/services/https:b:443/proxy/c/d", "/c/d"),
        ("/api/v1/namespaces/a/services/b/proxy/c%2Fd//e/", "/c%2Fd//e/"),
        ("/api/v1/namespaces/a/pods/b/proxy/%C3%BC%20\u00fc", "/%C3%BC%20%FC"),
        ("/api/v1/namespaces/a/pods/b/proxy//c", "//c"),
        ("/api/v1/nodes/n/proxy/stats/../exec", "/stats/../exec"),
        ("/api/v1/nodes/n%2Fproxy/c%2Fd/", "/c/d/"),
        ("/api/v1/nodes/n/proxy/a b\r\nc", "/a%20b%0D%0Ac"),
        ("/api/v1/namespaces/a/pods/b/log", ""),
    ],
)
def test_what_is_behind_a_proxy_stays_as_it_came(path: str, rest: str) -> None:
    assert parse(path).rest == rest
