"""What one block of the configuration knows without asking elsewhere: its hosts, and the cluster's names. Nothing here waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilothouse.network.dns import codec
from pilothouse.network.dns.codec import AAAA, ANY, CNAME, PTR, A, Name, Record
from pilothouse.network.dns.corefile import Block, Hosts
from pilothouse.network.dns.reverse import address_of
from pilothouse.network.dns.zone import Zone


@dataclass(frozen=True, slots=True)
class Found:
    """An answer before it is written.

    authoritative: said by us, and not by another server. lasting: until an object changes of those that `resolve` has named.
    """

    code: int
    answers: Sequence[Record] = ()
    authority: Sequence[Record] = ()
    additional: Iterable[Record] = ()
    authoritative: bool = True
    lasting: bool = True

    def is_alias_for(self, type_: int) -> bool:
        return bool(self.answers) and self.answers[0].type == CNAME and type_ not in (CNAME, ANY)


class Local:
    def __init__(self, zone: Zone, block: Block) -> None:
        self._zone = zone
        self._block = block

    def leaves(self, name: Name) -> bool:
        """Whether nothing here is about the name."""
        if self._block.hosts is not None and _is_of_hosts(self._block.hosts, name):
            return False
        return not self._block.kubernetes or not (self._zone.contains(name) or self._zone.reverse_zones.of(name))

    def resolve(self, name: Name, type_: int, keys: set[str]) -> Found | None:
        """None: ask elsewhere. keys: gets what the answer is made of, as `Zone.key` names it."""
        hosts = self._block.hosts
        if hosts is not None and _is_of_hosts(hosts, name):
            return self._of_hosts(hosts, name, type_)
        if not self._block.kubernetes:
            return None
        if self._zone.contains(name):
            keys.add(self._zone.key(name))
            return self._of_zone(name, type_)
        network = self._zone.reverse_zones.of(name)
        if network is None:
            return None
        if network.num_addresses > 1:
            return self._negative(codec.NOERROR, name)
        records = self._zone.reverse(name, str(network.network_address), type_)
        if not records:
            return self._negative(codec.NXDOMAIN if records is None else codec.NOERROR, name)
        return Found(codec.NOERROR, self._aged(records), lasting=False)

    def _of_zone(self, name: Name, type_: int) -> Found:
        is_pod = len(name) == len(self._zone.origin) + 3 and name[-len(self._zone.origin) - 1] == "pod"
        records = None if is_pod and not self._block.pod_names else self._zone.resolve(name, type_)
        if not records:
            code = codec.NXDOMAIN if records is None else codec.NOERROR
            return Found(code, (), self._aged([self._zone.authority()]))
        additional = self._zone.targets(records) if type_ in (codec.SRV, ANY) else ()
        return Found(codec.NOERROR, self._aged(records), (), additional)

    def _negative(self, code: int, owner: Name) -> Found:
        """Of a reverse name: any object may come to have the address."""
        return Found(code, (), self._aged([self._zone.authority(owner)]), lasting=False)

    def _aged(self, records: list[Record]) -> list[Record]:
        """With the block's TTL."""
        ttl_s = self._block.ttl_s
        if ttl_s == self._zone.ttl_s:
            return records
        return [Record(each.name, each.type, ttl_s, each.value) for each in records]

    def _of_hosts(self, hosts: Hosts, name: Name, type_: int) -> Found:
        if (address := address_of(name)) is not None and (names := hosts.by_address.get(address)):
            pointers = [Record(name, PTR, hosts.ttl_s, each) for each in names]
            return Found(codec.NOERROR, pointers if type_ in (PTR, ANY) else ())
        addresses = hosts.by_name.get(name)
        if addresses is None:
            return Found(codec.NXDOMAIN, (), [self._zone.authority(name)])
        records = [Record(name, AAAA if ":" in each else A, hosts.ttl_s, each) for each in addresses]
        return Found(codec.NOERROR, [each for each in records if type_ in (each.type, ANY)])


def _is_of_hosts(hosts: Hosts, name: Name) -> bool:
    if not hosts.falls_through or name in hosts.by_name:
        return True
    address = address_of(name) if hosts.by_address else None
    return address is not None and address in hosts.by_address
