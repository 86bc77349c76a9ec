"""Services: defaults, rules and what a change of type takes along."""

import pytest

from pilothouse.engine.apiserver.kinds.services import SERVICE
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, changed, created, named, refusals, update_refusals, updated


def service(**spec: object) -> Object:
    return named(spec={"ports": [{"port": 80}], "selector": {"a": "b"}, **spec})


def allocated(**spec: object) -> Object:
    """A stored service with an address."""
    held = created(SERVICE, service(**spec))
    held["spec"] |= {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    return held


def test_a_service_is_reached_inside_the_cluster_by_default() -> None:
    assert created(SERVICE, service()) == {
        "metadata": {"name": "it", "namespace": "default", "uid": "u1"},
        "spec": {
            "type": "ClusterIP",
            "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
            "selector": {"a": "b"},
            "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        },
        "status": {"loadBalancer": {}},
    }


@pytest.mark.parametrize(
    ("spec", "defaulted"),
    [
        ({"type": "NodePort"}, {"externalTrafficPolicy": "Cluster"}),
        ({"type": "LoadBalancer"}, {"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True}),
        ({"externalIPs": ["1.2.3.4"]}, {"externalTrafficPolicy": "Cluster"}),
        ({"sessionAffinity": "ClientIP"}, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
        ({"clusterIP": "None"}, {"clusterIPs": ["None"]}),
    ],
)
def test_the_type_decides_what_else_is_set(spec: Object, defaulted: Object) -> None:
    assert created(SERVICE, service(**spec))["spec"].items() >= defaulted.items()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "X"}, ["spec.type NotSupported"]),
        ({"ports": []}, ["spec.ports Required"]),
        ({"ports": [], "clusterIP": "None"}, []),
        ({"ports": [{"port": 0}]}, ["spec.ports[0].port Invalid", "spec.ports[0].targetPort Invalid"]),
        ({"ports": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]}, ["spec.ports[1].name Duplicate"]),
        ({"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]}, ["spec.ports[1] Duplicate"]),
        ({"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1, "protocol": "UDP"}]}, []),
        ({"ports": [{"port": 1}, {"port": 2}]}, ["spec.ports[0].name Required", "spec.ports[1].name Required"]),
        ({"ports": [{"port": 1, "targetPort": "Bad_"}]}, ["spec.ports[0].targetPort Invalid"]),
        ({"ports": [{"port": 1, "nodePort": 30000}]}, ["spec.ports[0].nodePort Forbidden"]),
        ({"clusterIP": "x"}, ["spec.clusterIPs[0] Invalid"]),
        ({"type": "ExternalName", "ports": []}, ["spec.externalName Required"]),
        ({"type": "ExternalName", "externalName": "x.example.com."}, []),
        (
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}},
            ["spec.sessionAffinityConfig.clientIP.timeoutSeconds Invalid"],
        ),
        ({"externalIPs": ["127.0.0.1"]}, ["spec.externalIPs[0] Invalid"]),
        ({"externalTrafficPolicy": "Local"}, ["spec.externalTrafficPolicy Invalid"]),
        ({"type": "NodePort", "externalTrafficPolicy": "X"}, ["spec.externalTrafficPolicy NotSupported"]),
        ({"internalTrafficPolicy": "X"}, ["spec.internalTrafficPolicy NotSupported"]),
        ({"loadBalancerSourceRanges": ["10.0.0.0/8"]}, ["spec.LoadBalancerSourceRanges Forbidden"]),
        ({"loadBalancerClass": "a/b"}, ["spec.loadBalancerClass Forbidden"]),
        ({"healthCheckNodePort": 30009}, ["spec.healthCheckNodePort Invalid"]),
        ({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"}, ["spec.ipFamilyPolicy Invalid"]),
        ({"ipFamilies": ["IPv5"]}, ["spec.ipFamilies[0] NotSupported"]),
        ({"trafficDistribution": "Nearest"}, ["spec.trafficDistribution NotSupported"]),
        ({"type": "LoadBalancer", "ports": [{"port": 10250}]}, []),
        ({"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.1/8"]}, ["spec.LoadBalancerSourceRanges[0] Invalid"]),
        ({"externalIPs": ["010.0.0.1"]}, ["spec.externalIPs[0] Invalid"]),
        ({"ipFamilies": ["IPv4", "IPv6"]}, ["spec.ipFamilyPolicy Invalid"]),
        ({"clusterIP": "fd00::1"}, ["spec.clusterIPs[0] Invalid"]),
        ({"clusterIPs": ["10.96.0.1", "10.96.0.2", "10.96.0.3"]}, ["spec.clusterIPs Invalid"] * 3),
    ],
)
def test_specs(spec: Object, expected: list[str]) -> None:
    assert refusals(SERVICE, service(**spec)) == expected


def test_an_update_that_leaves_out_the_address_keeps_it() -> None:
    old = allocated()
    assert updated(SERVICE, old, service())["spec"]["clusterIPs"] == ["10.96.0.9"]


def test_node_ports_stay_with_their_ports() -> None:
    old = allocated(type="NodePort")
    old["spec"]["ports"][0]["nodePort"] = 30123
    assert updated(SERVICE, old, service(type="NodePort"))["spec"]["ports"][0]["nodePort"] == 30123


@pytest.mark.parametrize("address", ["10.96.0.200", "None"])
def test_an_address_does_not_change(address: str) -> None:
    old = allocated()
    new = updated(SERVICE, old, changed(changed(old, "spec.clusterIP", address), "spec.clusterIPs", [address]))
    assert brief(SERVICE.validate_update(new, old)) == ["spec.clusterIPs[0] Invalid"]


def test_becoming_an_external_name_gives_up_the_address() -> None:
    old = allocated()
    new = updated(SERVICE, old, changed(changed(old, "spec.type", "ExternalName"), "spec.externalName", "a.b"))
    assert not new["spec"].keys() & {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"}
    assert SERVICE.validate_update(new, old) == []


def test_leaving_node_port_gives_up_the_ports() -> None:
    old = allocated(type="NodePort")
    old["spec"]["ports"][0]["nodePort"] = 30123
    new = updated(SERVICE, old, changed(old, "spec.type", "ClusterIP"))
    assert "nodePort" not in new["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in new["spec"]
    assert SERVICE.validate_update(new, old) == []


def test_families_must_fit_the_address() -> None:
    old = allocated()
    new = updated(SERVICE, old, changed(old, "spec.ipFamilies", ["IPv6"]))
    assert brief(SERVICE.validate_update(new, old)) == ["spec.clusterIPs[0] Invalid"]


def test_an_external_name_may_become_a_cluster_address() -> None:
    old = named(spec={"type": "ExternalName", "externalName": "a.b"})
    new = changed(changed(old, "spec.type", "ClusterIP"), "spec.ports", [{"port": 1}])
    assert update_refusals(SERVICE, old, new) == []


def test_a_service_that_balances_no_more_forgets_its_entry_points() -> None:
    old = changed(allocated(type="LoadBalancer"), "status.loadBalancer", {"ingress": [{"ip": "1.2.3.4"}]})
    assert updated(SERVICE, old, changed(old, "spec.type", "ClusterIP"))["status"] == {"loadBalancer": {}}
    assert updated(SERVICE, old, changed(old, "metadata.labels", {"a": "b"}))["status"] == old["status"]


def test_only_balancers_report_entry_points() -> None:
    old = allocated()
    new = updated(SERVICE, old, changed(old, "status.loadBalancer", {"ingress": [{"ip": "1.2.3.4"}]}), "status")
    assert brief(SERVICE.validate_status_update(new, old)) == ["status.loadBalancer.ingress Forbidden"]


def test_ignored_fields_are_warned_about() -> None:
    assert SERVICE.warnings(service(type="ClusterIP", externalName="a.b")) == [
        'spec.externalName is ignored when spec.type is not "ExternalName"'
    ]


def test_a_headless_service_without_a_selector_speaks_both_families() -> None:
    spec = created(SERVICE, named(spec={"clusterIP": "None", "ports": [{"port": 80}]}))["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [({"ipFamilies": ["IPv6"]}, "spec.ipFamilies[0] Invalid"), ({"ipFamilyPolicy": "RequireDualStack"}, "spec.ipFamilyPolicy Invalid")],
)
def test_a_cluster_has_the_families_it_has(spec: Object, expected: str) -> None:
    assert refusals(SERVICE, service(**spec)) == [expected]


def test_a_headless_service_stays_headless_when_its_address_is_cleared() -> None:
    old = created(SERVICE, service(clusterIP="None"))
    assert updated(SERVICE, old, service())["spec"]["clusterIPs"] == ["None"]


def test_entry_points_are_virtual_addresses_by_default() -> None:
    old = allocated(type="LoadBalancer")
    new = updated(SERVICE, old, changed(old, "status.loadBalancer", {"ingress": [{"ip": "1.2.3.4"}]}), "status")
    assert new["status"]["loadBalancer"]["ingress"] == [{"ip": "1.2.3.4", "ipMode": "VIP"}]


def test_what_stands_in_the_way_of_an_address_is_all_that_is_said() -> None:
    assert refusals(SERVICE, changed(service(ipFamilies=["IPv5"], type="X"), "metadata.name", "A")) == ["spec.ipFamilies[0] NotSupported"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("service.beta.kubernetes.io/load-balancer-source-ranges", "10.0.0.0/8, x", ["Forbidden", "Invalid"]),
        ("service.kubernetes.io/topology-mode", "Auto", []),
    ],
)
def test_annotations(key: str, value: str, expected: list[str]) -> None:
    obj = service()
    obj["metadata"]["annotations"] = {key: value}
    assert refusals(SERVICE, obj) == [f"metadata.annotations[{key}] {reason}" for reason in expected]


@pytest.mark.parametrize(
    ("path", "before", "after", "expected"),
    [
        ("spec.loadBalancerClass", "a/b", "a/c", ["spec.loadBalancerClass Invalid"]),
        ("spec.healthCheckNodePort", 30001, 30002, ["spec.healthCheckNodePort Forbidden"]),
    ],
)
def test_what_a_balancer_was_given_is_for_life(path: str, before: object, after: object, expected: list[str]) -> None:
    old = changed(allocated(type="LoadBalancer", externalTrafficPolicy="Local"), path, before)
    assert brief(SERVICE.validate_update(updated(SERVICE, old, changed(old, path, after)), old)) == expected


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"ip": "1.2.3.4", "ipMode": "X"}, ["ipMode NotSupported"]),
        ({"hostname": "a", "ipMode": "VIP"}, ["ipMode Forbidden"]),
        ({"hostname": "1.2.3.4"}, ["hostname Invalid"]),
    ],
)
def test_entry_points(point: Object, expected: list[str]) -> None:
    old = allocated(type="LoadBalancer")
    new = updated(SERVICE, old, changed(old, "status.loadBalancer", {"ingress": [point]}), "status")
    assert brief(SERVICE.validate_status_update(new, old)) == [f"status.loadBalancer.ingress[0].{each}" for each in expected]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"clusterIP": "None", "externalIPs": ["1.2.3.4"]}, ["spec.externalIPs is ignored for headless services"]),
        (
            {"loadBalancerSourceRanges": ["10.0.0.1/8"]},
            [
                'spec.loadBalancerSourceRanges[0]: CIDR value "10.0.0.1/8" is ambiguous in this context '
                '(should be "10.0.0.0/8" or "10.0.0.1/32"?)'
            ],
        ),
        (
            {"loadBalancerIP": "010.0.0.1"},
            [
                'spec.loadBalancerIP: non-standard IP address "010.0.0.1" will be considered invalid in a future Kubernetes release: '
                'use "10.0.0.1"'
            ],
        ),
    ],
)
def test_unusual_fields_are_warned_about(spec: Object, expected: list[str]) -> None:
    assert SERVICE.warnings(created(SERVICE, service(**spec))) == expected
