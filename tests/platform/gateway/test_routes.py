import pytest

from pilothouse.model.json import Object
from pilothouse.platform.gateway.certificates import Pair, pair_of
from pilothouse.platform.gateway.routes import Endpoint, Table, World, table
from tests.platform.gateway.objects import (
    backend,
    certificate,
    endpoint,
    ingress,
    ingress_class,
    of_team,
    path,
    piece,
    routed,
    secret,
    service,
)

SHOP = ("shop.localhost", [path("/")])


def shown(found: Table, host: str = "shop.localhost") -> list[tuple[str, str, str]]:
    return [(route.path, route.match, route.backend.cluster) for route in found.hosts.get(host, ())]


def test_ingresses_of_one_host_are_merged_exact_paths_first_and_longer_before_shorter() -> None:
    found = routed(
        ingress("a", ("shop.localhost", [path("/"), path("/api/v1")])),
        ingress("b", ("shop.localhost", [path("/api", "api"), path("/healthz", "api", kind="Exact")])),
    )
    assert shown(found) == [
        ("/healthz", "exact", "default/api/80"),
        ("/api/v1", "prefix", "default/web/80"),
        ("/api", "prefix", "default/api/80"),
        ("/", "prefix", "default/web/80"),
    ]
    assert found.problems == ()


def test_of_two_that_claim_a_path_the_older_wins_and_the_other_is_told() -> None:
    found = routed(ingress("young", SHOP, created=9), ingress("old", ("shop.localhost", [path("/", "old")]), created=1))
    assert shown(found) == [("/", "prefix", "default/old/80")]
    assert [(p.ingress, p.reason) for p in found.problems] == [("default/young", "PathTaken")]
    assert "default/old" in found.problems[0].message


def test_a_host_belongs_to_the_namespace_that_had_it_first() -> None:
    found = routed(ingress("a", SHOP, created=1), of_team(ingress("b", ("shop.localhost", [path("/login")]), created=2)))
    assert shown(found) == [("/", "prefix", "default/web/80")]
    said = "host shop.localhost belongs to namespace default, by its ingress default/a, which is older"
    assert [(p.ingress, p.reason, p.message) for p in found.problems] == [("team/b", "HostTaken", said)]


def test_another_namespace_gives_no_certificate_to_a_host() -> None:
    pair = of_team(secret(*certificate("shop.localhost")))
    other = of_team(ingress("b", tls=[{"hosts": ["shop.localhost", "team.localhost"], "secretName": "tls"}], created=2))
    found = routed(ingress("a", SHOP, created=1), other, secrets=(pair,))
    assert [each.hosts for each in found.certificates] == [("team.localhost",)]
    assert [p.reason for p in found.problems] == ["HostTaken"]


@pytest.mark.parametrize("shared", ["*", "other.localhost, shop.localhost"])
def test_a_host_that_the_class_shares_takes_paths_of_every_namespace(shared: str) -> None:
    rivals = (ingress("a", SHOP, created=1), of_team(ingress("b", ("shop.localhost", [path("/login")]), created=2)))
    found = routed(*rivals, classes=(ingress_class(shared=shared),))
    assert shown(found) == [("/login", "prefix", "team/web/80"), ("/", "prefix", "default/web/80")]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("made", "classes", "is_served"),
    [
        (ingress("a", SHOP), (ingress_class(),), True),
        (ingress("a", SHOP), (ingress_class(default=False),), False),
        (ingress("a", SHOP, ingressClassName="pilothouse"), (ingress_class(default=False),), True),
        (ingress("a", SHOP, ingressClassName="nginx"), (ingress_class(),), False),
        (ingress("a", SHOP, legacy="pilothouse"), (ingress_class(default=False),), True),
        (ingress("a", SHOP, legacy="nginx"), (ingress_class(),), False),
        (ingress("a", SHOP, ingressClassName="x"), (ingress_class("x", controller="k8s.io/nginx"),), False),
        (ingress("a", SHOP), (), False),
    ],
)
def test_an_ingress_is_served_by_its_class_or_as_the_default(made: Object, classes: tuple[Object, ...], is_served: bool) -> None:
    assert bool(routed(made, classes=classes).hosts) is is_served


def test_a_default_backend_takes_what_no_path_of_its_hosts_does() -> None:
    found = routed(ingress("a", ("shop.localhost", [path("/api", "api")]), defaultBackend=backend("web")))
    assert shown(found) == [("/api", "prefix", "default/api/80"), ("/", "prefix", "default/web/80")]


def test_a_default_backend_alone_serves_every_host() -> None:
    assert shown(routed(ingress("a", defaultBackend=backend("web"))), "*") == [("/", "prefix", "default/web/80")]


def test_an_ingress_is_in_nobodys_way_when_its_own_path_repeats_its_default_backend() -> None:
    found = routed(ingress("a", SHOP, defaultBackend=backend("web")))
    assert found.problems == ()
    assert len(shown(found)) == 1


def test_rules_without_a_host_are_for_any() -> None:
    assert shown(routed(ingress("a", ("", [path("/x")]))), "*") == [("/x", "prefix", "default/web/80")]


def test_what_envoy_could_not_take_is_refused_alone() -> None:
    resource = {"path": "/r", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "x"}}}
    found = routed(ingress("a", ("shop.localhost", [resource, path("/a?b"), path("/ok")])))
    assert [route[0] for route in shown(found)] == ["/ok"]
    assert {problem.reason for problem in found.problems} == {"BackendNotSupported", "PathNotSupported"}


@pytest.mark.parametrize(
    ("port", "served", "expected"),
    [
        (80, service(http=80, admin=81), 8080),
        ("http", service(http=80, admin=81), 8080),
        ("admin", service(http=80, admin=81), 9090),
        (81, service(http=80, admin=81), 9090),
        (82, service(http=80, admin=81), None),
        ("other", service(http=80, admin=81), None),
    ],
)
def test_a_port_is_found_by_its_name_and_by_its_number(port: int | str, served: Object, expected: int | None) -> None:
    slices = (piece(endpoint("10.0.0.1"), http=8080, admin=9090),)
    found = routed(ingress("a", ("shop.localhost", [path("/", port=port)])), services=(served,), slices=slices)
    ports = [e.port for endpoints in found.endpoints.values() for e in endpoints]
    assert ports == ([expected] if expected else [])


def test_a_port_without_a_name_is_found_in_the_slices() -> None:
    found = routed(ingress("a", SHOP), services=(service(),), slices=(piece(endpoint("10.0.0.1")),))
    assert found.endpoints == {"default/web/80": (Endpoint("10.0.0.1", 8080, "HEALTHY"),)}


def test_terminating_endpoints_that_still_serve_are_draining_and_unready_ones_are_out() -> None:
    slices = (
        piece(
            endpoint("10.0.0.3", ready=True),
            endpoint("10.0.0.1", ready=False, serving=True, terminating=True),
            endpoint("10.0.0.2", ready=False, serving=False, terminating=False),
            endpoint("10.0.0.4", ready=False, serving=False, terminating=True),
        ),
        piece(endpoint("10.0.0.5")),
    )
    found = routed(ingress("a", SHOP), services=(service(),), slices=slices)
    assert [(e.address, e.health) for e in found.endpoints["default/web/80"]] == [
        ("10.0.0.1", "DRAINING"),
        ("10.0.0.3", "HEALTHY"),
        ("10.0.0.5", "HEALTHY"),
    ]


def test_old_and_new_pods_may_listen_on_different_ports() -> None:
    slices = (piece(endpoint("10.0.0.1"), http=8080), piece(endpoint("10.0.0.2"), http=3000))
    found = routed(ingress("a", SHOP), services=(service(http=80),), slices=slices)
    assert [(e.address, e.port) for e in found.endpoints["default/web/80"]] == [("10.0.0.1", 8080), ("10.0.0.2", 3000)]


def test_a_service_that_does_not_exist_has_no_endpoints() -> None:
    assert routed(ingress("a", SHOP)).endpoints == {"default/web/80": ()}


def test_a_certificate_serves_its_hosts_and_the_older_ingress_keeps_a_host() -> None:
    chain, key = certificate("shop.localhost")
    tls = [{"hosts": ["shop.localhost"], "secretName": "tls"}]
    found = routed(ingress("a", SHOP, tls=tls, created=1), ingress("b", tls=tls, created=2), secrets=(secret(chain, key),))
    assert [(c.hosts, c.pair.chain) for c in found.certificates] == [(("shop.localhost",), chain)]
    assert key not in repr(found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "does not exist"),
        ((secret("", ""),), "lacks tls.crt and tls.key"),
        (({"metadata": {"name": "tls"}, "data": {"tls.crt": "%", "tls.key": "%"}},), "that is no PEM text"),
    ],
)
def test_a_bad_certificate_is_told_and_left_out(given: tuple[Object, ...], message: str) -> None:
    found = routed(ingress("a", SHOP, tls=[{"hosts": ["shop.localhost"], "secretName": "tls"}]), secrets=given)
    assert found.certificates == ()
    assert found.problems[0].reason == "NoCertificate"
    assert message in found.problems[0].message
    assert shown(found)


def test_a_certificate_is_served_only_after_it_was_found_good() -> None:
    given = secret(*certificate("shop.localhost"))
    pair = pair_of(given)
    assert isinstance(pair, Pair)
    made = ingress("a", SHOP, tls=[{"hosts": ["shop.localhost"], "secretName": "tls"}])
    unchecked, refused = (
        table(World((made,), (ingress_class(),), {}, {}, {"default/tls": given}, verdicts)) for verdicts in ({}, {pair.digest: "is bad"})
    )
    assert (unchecked.certificates, unchecked.problems, unchecked.pairs) == ((), (), (pair,))
    assert (refused.certificates, refused.problems[0].message) == ((), "secret tls for TLS is bad")


def test_a_tls_entry_without_a_secret_leaves_its_hosts_to_the_gateways_own_certificate() -> None:
    found = routed(ingress("a", SHOP, tls=[{"hosts": ["shop.localhost"]}]))
    assert (found.pairs, found.problems) == ((), ())


@pytest.mark.parametrize(
    ("address", "served"),
    [("FD00:0::1", ["fd00::1"]), ("10.0.0.1", ["10.0.0.1"]), ("db.example.com", []), ("fe80::1%eth0", []), ("010.0.0.1", [])],
)
def test_endpoints_are_ip_addresses_in_one_spelling(address: str, served: list[str]) -> None:
    found = routed(ingress("a", SHOP), services=(service(),), slices=(piece(endpoint(address)),))
    assert [each.address for each in found.endpoints["default/web/80"]] == served
