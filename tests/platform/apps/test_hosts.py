from dataclasses import replace
from typing import Any

from pilothouse.model.json import Object
from pilothouse.model.sharing import SHARED_HOSTS
from pilothouse.platform.apps import hosts
from tests.platform.apps.life import AROUND, app


def an_app(name: str, made: str, *names: str) -> Object:
    found = app(image="web:1", hosts=list(names))
    found["metadata"] |= {"name": name, "uid": f"{name}-uid", "creationTimestamp": made}
    return found


def an_ingress(name: str, made: str, host: str, owner: str = "", path: str = "/", **spec: Any) -> Object:
    owners = [{"kind": "App", "name": owner, "uid": f"{owner}-uid", "controller": True, "apiVersion": "apps.pilothouse.dev/v1"}]
    metadata = {"name": name, "namespace": "default", "creationTimestamp": made, "ownerReferences": owners if owner else []}
    paths = [{"path": path, "pathType": "Prefix"}]
    return {"metadata": metadata, "spec": {"ingressClassName": "pilothouse", "rules": [{"host": host, "http": {"paths": paths}}], **spec}}


SHOP = an_app("shop", "2026-01-02", "www.example.org")


def taken(ingresses: list[Object], apps: list[Object] | None = None) -> str:
    return hosts.taken(SHOP, ingresses, apps or [], AROUND)


def test_a_host_that_a_route_has_is_taken_by_its_app() -> None:
    assert taken([an_ingress("book", "2026-01-03", "www.example.org", "book")]).startswith("the host www.example.org is app book's")
    assert "ingress other" in taken([an_ingress("other", "2026-01-03", "www.example.org")])


def test_of_two_routes_the_older_stays() -> None:
    own = an_ingress("shop", "2026-01-03", "www.example.org", "shop")
    assert taken([own, an_ingress("other", "2026-01-04", "www.example.org")]) == ""
    assert taken([own, an_ingress("other", "2026-01-01", "www.example.org")]) != ""


def test_of_two_apps_without_a_route_the_older_goes_first() -> None:
    assert "app book" in taken([], [an_app("book", "2026-01-01", "www.example.org")])
    assert taken([], [an_app("book", "2026-01-03", "www.example.org"), SHOP]) == ""


def test_a_route_for_some_paths_or_of_another_class_leaves_the_host() -> None:
    assert taken([an_ingress("api", "2026-01-01", "www.example.org", path="/api")]) == ""
    assert taken([an_ingress("api", "2026-01-01", "www.example.org", ingressClassName="nginx")]) == ""


def test_an_app_without_a_route_wants_no_host() -> None:
    worker = an_app("worker", "2026-01-01", "www.example.org")
    worker["spec"]["port"] = 0
    assert taken([], [worker]) == ""


def test_a_part_of_a_host_in_another_namespace_takes_all_of_it_unless_it_is_shared() -> None:
    api = an_ingress("api", "2026-01-01", "www.example.org", path="/api")
    api["metadata"]["namespace"] = "team"
    around = replace(AROUND, hosts_by_namespace=True)
    assert "ingress api in namespace team" in hosts.taken(SHOP, [api], [], around)
    shared = {"metadata": {"name": "pilothouse", "annotations": {SHARED_HOSTS: "www.example.org"}}}
    assert hosts.taken(SHOP, [api], [], around, [shared]) == ""
    assert hosts.taken(SHOP, [api], [], AROUND) == ""


def test_an_ingress_of_another_namespace_that_names_a_host_for_tls_alone_has_it() -> None:
    for spec in ({"tls": [{"hosts": ["www.example.org"], "secretName": "s"}]}, {"rules": [{"host": "www.example.org"}]}):
        other = an_ingress("other", "2026-01-01", "x.example.org", **spec)
        other["metadata"]["namespace"] = "team"
        assert "www.example.org" in hosts.hosts_of(other)
        assert "ingress other in namespace team" in hosts.taken(SHOP, [other], [], replace(AROUND, hosts_by_namespace=True))
        assert hosts.taken(SHOP, [other], [], AROUND) == ""
