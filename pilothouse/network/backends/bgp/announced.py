"""What a node announces of all Services together, kept so that a change of one costs what that one has. Pure."""

from bisect import bisect_left, insort
from collections import Counter

from pilothouse.network.backends.bgp.announcements import Announcement, Attributes, Group, Networks
from pilothouse.network.backends.config import Network

_Place = tuple[int, int, int]
"""Of a network in the order of all: IP version, first address, length of the prefix."""
_NOTHING: Networks = {}


class Announced:
    def __init__(self) -> None:
        self._of: dict[str, Networks] = {}
        # By network, how many say it with the same attributes.
        self._sayings: dict[Network, Counter[frozenset[Attributes]]] = {}
        self._announcements: dict[_Place, Announcement] = {}
        self._order: list[_Place] = []
        self._groups: dict[frozenset[Attributes], Group] = {}
        self._uses: Counter[Group] = Counter()
        self._group_of: dict[_Place, Group] = {}

    @property
    def keys(self) -> list[str]:
        """Of those that announce something."""
        return list(self._of)

    @property
    def announcements(self) -> tuple[Announcement, ...]:
        """One for each network, in the order of networks."""
        return tuple([self._announcements[place] for place in self._order])

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(sorted(self._uses, key=lambda each: each.number))

    def put(self, key: str, networks: Networks) -> bool:
        """networks: all that the one of that key announces. Whether that is another thing than before."""
        before = self._of.get(key, _NOTHING)
        if before == networks:
            return False
        if networks:
            self._of[key] = networks
        else:
            del self._of[key]
        for network in before.keys() | networks.keys():
            if (was := before.get(network)) != (now := networks.get(network)):
                self._say(network, was, now)
        return True

    def _say(self, network: Network, was: frozenset[Attributes] | None, now: frozenset[Attributes] | None) -> None:
        sayings = self._sayings.setdefault(network, Counter())
        if was is not None:
            sayings[was] -= 1
            if not sayings[was]:
                del sayings[was]
        if now is not None:
            sayings[now] += 1
        self._announce(network, frozenset().union(*sayings))
        if not sayings:
            del self._sayings[network]

    def _announce(self, network: Network, attributes: frozenset[Attributes]) -> None:
        """attributes: all that are said of the network; none: it is not announced any more."""
        place = network.version, int(network.network_address), network.prefixlen
        old, new = self._group_of.get(place), self._group(attributes) if attributes else None
        if old == new:
            return
        if old is not None:
            self._release(old)
        if new is None:
            del self._announcements[place], self._group_of[place], self._order[bisect_left(self._order, place)]
            return
        self._uses[new] += 1
        if old is None:
            insort(self._order, place)
        self._announcements[place], self._group_of[place] = Announcement(network.version, str(network), new.number), new

    def _group(self, attributes: frozenset[Attributes]) -> Group:
        if attributes not in self._groups:
            self._groups[attributes] = Group.of(attributes)
        return self._groups[attributes]

    def _release(self, group: Group) -> None:
        self._uses[group] -= 1
        if not self._uses[group]:
            del self._uses[group]
            del self._groups[frozenset(group.attributes)]
