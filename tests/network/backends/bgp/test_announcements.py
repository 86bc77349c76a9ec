"""Which addresses of Services a node announces, to whom and how."""

from typing import Any

import pytest

from pilothouse.model.json import Object
from pilothouse.model.load_balancers import EXCLUDED
from pilothouse.network.backends.bgp.announcements import Attributes, Group, Networks, Plan, plan
from pilothouse.network.backends.bgp.settings import BGPSettings
from tests.network.backends.bgp.objects import node

POOL: Object = {"metadata": {"name": "public", "labels": {"zone": "a"}}, "spec": {"addresses": ["203.0.113.0/26", "2001:db8:1::/120"]}}


def advertisement(name: str = "all", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": spec}


def service(*addresses: str, policy: str = "Cluster", **spec: Any) -> Object:
    ingress = [{"ip": each} for each in addresses]
    whole = {"type": "LoadBalancer", "externalTrafficPolicy": policy, **spec}
    metadata = {"name": "s", "namespace": "default", "labels": {"app": "shop"}}
    return {"metadata": metadata, "spec": whole, "status": {"loadBalancer": {"ingress": ingress}}}


def served_by(*nodes: str, ready: bool = True) -> list[Object]:
    return [{"endpoints": [{"nodeName": each, "conditions": {"ready": ready}} for each in nodes]}]


def planned(*advertisements: Object, labels: dict[str, str] | None = None, settings: BGPSettings | None = None, **more: Any) -> Plan:
    own = node(1, labels=labels).node
    return plan(own, settings or BGPSettings(), pools=[POOL], advertisements=advertisements, **more)


def networks(found: Networks) -> list[str]:
    return sorted(str(each) for each in found)


def test_without_an_advertisement_nothing_is_announced() -> None:
    assert planned().of_service(service("203.0.113.1"), served_by("n1")) == {}


def test_addresses_of_pools_are_announced_once_somebody_serves() -> None:
    found = planned(advertisement())
    assert networks(found.of_service(service("203.0.113.1", "2001:db8:1::1"), served_by("n2"))) == ["2001:db8:1::1/128", "203.0.113.1/32"]
    assert found.of_service(service("203.0.113.1"), served_by("n2", ready=False)) == {}
    assert found.of_service(service("198.51.100.1"), served_by("n2")) == {}


def test_traffic_that_stays_on_the_node_is_asked_for_by_nodes_that_serve() -> None:
    found = planned(advertisement())
    assert found.of_service(service("203.0.113.1", policy="Local"), served_by("n2")) == {}
    assert networks(found.of_service(service("203.0.113.1", policy="Local"), served_by("n1"))) == ["203.0.113.1/32"]


@pytest.mark.parametrize(
    ("spec", "is_announced"),
    [
        ({"ipAddressPools": ["public"]}, True),
        ({"ipAddressPools": ["other"]}, False),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"zone": "a"}}]}, True),
        ({"ipAddressPoolSelectors": [{"matchLabels": {"zone": "b"}}]}, False),
        ({"nodeSelectors": [{"matchLabels": {"edge": "yes"}}]}, False),
        ({"serviceSelectors": [{"matchLabels": {"app": "shop"}}]}, True),
        ({"serviceSelectors": [{"matchLabels": {"app": "bank"}}]}, False),
    ],
)
def test_an_advertisement_speaks_of_what_it_selects(spec: Object, is_announced: bool) -> None:
    assert bool(planned(advertisement(**spec)).of_service(service("203.0.113.1"), served_by("n1"))) is is_announced


def test_an_excluded_node_announces_no_load_balancer() -> None:
    found = planned(advertisement(), labels={EXCLUDED: ""})
    assert found.of_service(service("203.0.113.1"), served_by("n1")) == {}


def test_addresses_are_announced_in_networks_that_lie_inside_their_pool() -> None:
    assert networks(planned(advertisement(aggregationLength=26)).of_service(service("203.0.113.1"), served_by("n1"))) == ["203.0.113.0/26"]
    assert networks(planned(advertisement(aggregationLength=24)).of_service(service("203.0.113.1"), served_by("n1"))) == ["203.0.113.1/32"]


def test_cluster_ips_are_announced_as_a_whole_and_one_by_one_where_traffic_stays_on_the_node() -> None:
    found = planned(settings=BGPSettings.of({"bgp": {"announce": {"clusterIPs": ["10.96.0.0/16"], "externalIPs": ["198.51.100.0/24"]}}}))
    assert networks(found.of_settings()) == ["10.96.0.0/16", "198.51.100.0/24"]
    local = service(policy="Local", clusterIPs=["10.96.0.9"], externalIPs=["198.51.100.9", "192.0.2.9"])
    assert networks(found.of_service(local, served_by("n1"))) == ["10.96.0.9/32", "198.51.100.9/32"]
    assert found.of_service(service(clusterIPs=["10.96.0.9"]), served_by("n1")) == {}


def test_a_community_is_a_number_a_large_one_or_a_name() -> None:
    names = [{"metadata": {"name": "c"}, "spec": {"communities": [{"name": "quiet", "value": "64512:7"}]}}]
    found = planned(advertisement(communities=["quiet", "1:2", "large:1:2:3"], localPref=200, peers=["rack"]), communities=names)
    (attributes,) = found.of_service(service("203.0.113.1"), served_by("n1")).values()
    assert attributes == {
        Attributes(("rack",), 200, ("bgp_community.add((1,2));", "bgp_community.add((64512,7));", "bgp_large_community.add((1,2,3));"))
    }


@pytest.mark.parametrize("text", ["1:65536", "loud", "large:1:2", "1:2;accept", "1:²"])
def test_what_is_no_community_is_named_and_announces_nothing(text: str) -> None:
    found = planned(advertisement("odd", communities=[text]))
    assert "is not understood" in found.problems["odd"] or "is neither" in found.problems["odd"]
    assert found.of_service(service("203.0.113.1"), served_by("n1")) == {}


def test_a_router_is_told_what_is_for_it_with_the_communities_of_all_that_speak_of_it() -> None:
    group = Group.of([Attributes((), 100, ("a;",)), Attributes(("rack",), 200, ("b;",))])
    assert group.lines("rack", is_internal=True) == ["bgp_local_pref = 200;", "a;", "b;"]
    assert group.lines("other", is_internal=False) == ["a;"]
    assert Group.of([Attributes(("rack",))]).lines("other", is_internal=False) is None
