"""What is announced of many Services stays right whichever of them changes, and a change costs what changed."""

import random
import time
from collections.abc import Iterable
from ipaddress import ip_network

from pilothouse.network.backends.bgp.announced import Announced
from pilothouse.network.backends.bgp.announcements import Announcement, Attributes, Group, Networks
from pilothouse.network.backends.config import Network

NETWORKS: list[Network] = [ip_network(f"203.0.113.{number}/32") for number in range(6)]
NETWORKS += [ip_network(text) for text in ("203.0.113.0/24", "2001:db8::1/128", "2001:db8::/64")]
ATTRIBUTES = [Attributes(), Attributes(("rack",)), Attributes((), 100)]


def whole(found: Iterable[Networks]) -> tuple[tuple[Announcement, ...], tuple[Group, ...]]:
    """The same, made anew from everything."""
    said: dict[Network, frozenset[Attributes]] = {}
    for each in found:
        for network, attributes in each.items():
            said[network] = said.get(network, frozenset()) | attributes
    ordered = sorted(said, key=lambda each: (each.version, int(each.network_address), each.prefixlen))
    announcements = tuple(Announcement(each.version, str(each), Group.of(said[each]).number) for each in ordered)
    return announcements, tuple(sorted({Group.of(each) for each in said.values()}, key=lambda each: each.number))


def test_it_is_what_all_announce_whatever_has_changed_before() -> None:
    chance, announced, known = random.Random(7), Announced(), dict[str, Networks]()
    for _ in range(1500):
        key = f"s{chance.randrange(12)}"
        networks = {
            network: frozenset(chance.sample(ATTRIBUTES, chance.randint(1, 3))) for network in chance.sample(NETWORKS, chance.randint(0, 3))
        }
        assert announced.put(key, networks) is (known.get(key, {}) != networks)
        known[key] = networks
        assert (announced.announcements, announced.groups) == whole(known.values())
        assert set(announced.keys) == {name for name, found in known.items() if found}


def test_a_group_keeps_its_number_whatever_else_is_announced() -> None:
    one, both = Announced(), Announced()
    for announced in (one, both):
        announced.put("web", {NETWORKS[0]: frozenset([ATTRIBUTES[1]])})
    both.put("other", {NETWORKS[1]: frozenset([ATTRIBUTES[1]])})
    assert one.announcements[0] == both.announcements[0]
    assert len(both.groups) == 1


def test_a_change_of_one_does_not_cost_what_all_announce() -> None:
    announced = Announced()
    for number in range(10_000):
        announced.put(f"s{number}", {ip_network(f"203.{number >> 8}.{number & 255}.1/32"): frozenset([ATTRIBUTES[0]])})
        # All of one network, too.
        announced.put(f"a{number}", {NETWORKS[0]: frozenset([ATTRIBUTES[0]])})
    took = []
    for number in range(50):
        began = time.thread_time()
        announced.put(f"s{number}", {NETWORKS[0]: frozenset([ATTRIBUTES[1]])})
        took.append(time.thread_time() - began)
    # Of several, so that nothing else of a busy machine counts.
    assert min(took) < 0.002
