"""Reads chains as the kernel does: line after line, with jumps, gotos and returns. Knows nothing of policies."""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

_PART = re.compile(
    r"(?P<pfield>ip6?) daddr \. meta l4proto \. th dport @(?P<portset>\S+)"
    r"|(?P<family>ip6?) (?P<field>[sd]addr) (?P<not>!= )?(?:@(?P<set>\S+)|\{ (?P<list>[^}]*) \}|(?P<network>[\da-f.:]+(?:/\d+)?))"
    r"|meta l4proto (?P<protocol>\w+)"
    r"|(?P<dport>\w+) dport (?:\{ (?P<ports>[^}]*) \}|(?P<port>\d+))"
)
_VERDICT = re.compile(r"(?:^|\s)(accept|drop|return|(?:jump|goto) \S+)$")
_NOTE = re.compile(r"update @\S+ \{ (0x[0-9a-f]+) ")
Packet = tuple[str, str, str, int]
"""Source, target, protocol, port."""


@dataclass
class Reader:
    """sets: elements by name, of all families together, as the world has them. noted: numbers of what was refused on the way."""

    chains: Mapping[str, tuple[str, ...]]
    sets: Mapping[str, Collection[str]]
    noted: list[int] = field(default_factory=list)

    def passes(self, chain: str, packet: Packet) -> bool:
        return self._run(chain, packet) != "drop"

    def _run(self, chain: str, packet: Packet) -> str:
        """accept, drop, or "" when the end of the chain is reached."""
        if chain == "refuse":
            return "drop"
        for line in self.chains[chain]:
            if (note := _NOTE.search(line)) is not None:
                if int(note[1], 16) not in self.noted[-1:]:
                    self.noted.append(int(note[1], 16))
                continue
            if line.startswith("counter"):
                continue
            verdict = _VERDICT.search(line)
            assert verdict is not None, line
            if not self._matches(line[: verdict.start()].strip(), packet):
                continue
            word, _, target = verdict[1].partition(" ")
            if word == "return":
                return ""
            if word in ("accept", "drop"):
                return word
            if (found := self._run(target, packet)) or word == "goto":
                return found
        return ""

    def _matches(self, rest: str, packet: Packet) -> bool:
        found = list(_PART.finditer(rest))
        assert "".join(match[0] for match in found).replace(" ", "") == rest.replace(" ", ""), rest
        return all(self._part(match, packet) for match in found)

    def _part(self, match: "re.Match[str]", packet: Packet) -> bool:
        source, target, protocol, port = packet
        if match["portset"]:
            is_there = f"{target} . {protocol} . {port}" in self._set(match["portset"], match["pfield"])
            return _is_of(target, match["pfield"]) and is_there
        if match["protocol"]:
            return protocol == match["protocol"]
        if match["dport"]:
            spans = [span.partition("-") for span in (match["ports"] or match["port"]).split(", ")]
            return protocol == match["dport"] and any(int(first) <= port <= int(last or first) for first, _, last in spans)
        address = source if match["field"] == "saddr" else target
        if not _is_of(address, match["family"]):
            return False
        if match["set"]:
            return address in self._set(match["set"], match["family"])
        networks = (match["list"] or match["network"]).split(", ")
        return (match["not"] is None) == any(ipaddress.ip_address(address) in ipaddress.ip_network(each) for each in networks)

    def _set(self, name: str, family: str) -> Collection[str]:
        """One of IPv6 has a suffix."""
        assert name.endswith("-6") == (family == "ip6"), name
        return self.sets[name.removesuffix("-6")]


def _is_of(address: str, family: str) -> bool:
    return (":" in address) == (family == "ip6")
