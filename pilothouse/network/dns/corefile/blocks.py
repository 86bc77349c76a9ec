"""The plug-ins of a block, each by its own words."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import replace

from pilothouse.network.dns.codec import Name
from pilothouse.network.dns.corefile.rewriting import BadPattern, Rewrite
from pilothouse.network.dns.corefile.types import MOST_CONCURRENT, RESOLV_CONF, Block, Forward, Hosts
from pilothouse.network.dns.corefile.words import CorefileError, Line, seconds, zone_of

MOST_HOSTS, MOST_REWRITES, MOST_SERVERS = 2000, 100, 15
LONGEST_TTL_S, LONGEST_KEPT_S, LONGEST_STALE_S = 3600, 300, 3600
_REVERSE = ("in-addr.arpa", "ip6.arpa")
_KINDS = ("exact", "prefix", "suffix", "substring", "regex")
_SAID_ELSEWHERE = {
    "health": "the node tells how this server is (kubectl describe node); take the line out",
    "ready": "the node tells how this server is (kubectl describe node); take the line out",
    "prometheus": "the figures of this server are among the node's, at /metrics of the kubelet API; take the line out",
}

_TAKES = {
    "cache": '"serve_stale [TIME]", and "disable success" and "disable denial" for the zone of the cluster',
    "hosts": '"ADDRESS NAME...", "ttl SECONDS", "no_reverse" and "fallthrough" without zones',
    "kubernetes": '"ttl SECONDS" up to 3600, "pods insecure", "pods disabled" and "fallthrough in-addr.arpa ip6.arpa"',
    "forward": '"max_concurrent NUMBER" and "force_tcp"',
}
_HOSTS_OPTIONS = ("fallthrough", "no_reverse", "ttl", "reload")


class Plugins:
    """One block as it is read. zone, ttl_s: of the cluster and of its records. head: where the block begins."""

    def __init__(self, zones: tuple[Name, ...], zone: str, ttl_s: int, head: Line) -> None:
        self._block = Block(zones, ttl_s=ttl_s)
        self._zone = zone.rstrip(".").lower()
        self._head = head
        self._seen: set[str] = set()
        self._readers: Mapping[str, Callable[[Line, tuple[Line, ...]], None]] = {
            "errors": self._errors,
            "log": self._log,
            "reload": self._without_words,
            "loop": self._without_words,
            "loadbalance": self._without_words,
            "cache": self._cache,
            "hosts": self._hosts,
            "rewrite": self._rewrite,
            "kubernetes": self._kubernetes,
            "autopath": self._autopath,
            "forward": self._forward,
        }

    def read(self, body: tuple[Line, ...]) -> Block:
        """Raises CorefileError."""
        at = 0
        while at < len(body):
            line, inner, at = _with_inner(body, at)
            name = line.words[0]
            if name in _SAID_ELSEWHERE:
                raise CorefileError(f'"{name}" is not there: {_SAID_ELSEWHERE[name]}', line.number)
            if name not in self._readers:
                raise CorefileError(f'"{name}" is not among {", ".join(sorted(self._readers))}', line.number)
            if name in self._seen and name != "rewrite":
                raise CorefileError(f'"{name}" stands twice in this block', line.number)
            self._seen.add(name)
            self._readers[name](line, inner)
        return self._whole()

    def _whole(self) -> Block:
        block = self._block
        if () in block.zones and not block.kubernetes:
            raise CorefileError('the block for "." needs "kubernetes": without it no name of the cluster would be there', self._head.number)
        if block.kubernetes and block.hosts is not None and not block.hosts.falls_through:
            raise CorefileError('"hosts" needs "fallthrough" here: without it no name of the cluster would be there', self._head.number)
        if block.autopath and not block.kubernetes:
            raise CorefileError('"autopath @kubernetes" needs "kubernetes" in the same block', self._head.number)
        if not block.kubernetes and block.forward is None and block.hosts is None:
            raise CorefileError('the block answers nothing: give it "forward" or "hosts"', self._head.number)
        return block

    def _errors(self, line: Line, inner: tuple[Line, ...]) -> None:
        self._without_words(line, inner)
        self._block = replace(self._block, errors=True)

    def _log(self, line: Line, inner: tuple[Line, ...]) -> None:
        self._without_words(line, inner)
        self._block = replace(self._block, log=True)

    def _without_words(self, line: Line, inner: tuple[Line, ...]) -> None:
        if len(line.words) > 1 or inner:
            word = line.words[1] if len(line.words) > 1 else inner[0].words[0]
            raise CorefileError(f'"{line.words[0]}" takes no "{word}" here', line.number)

    def _cache(self, line: Line, inner: tuple[Line, ...]) -> None:
        most_s, stale_s = LONGEST_KEPT_S, 0
        if len(line.words) == 2:
            most_s = seconds(line.words[1], line.number, LONGEST_TTL_S)
        elif len(line.words) > 2:
            raise CorefileError(f'"cache" is for all names of its block: take "{line.words[2]}" out', line.number)
        for each in inner:
            match each.words:
                case ("serve_stale",):
                    stale_s = LONGEST_STALE_S
                case ("serve_stale", text):
                    stale_s = seconds(text, each.number, LONGEST_STALE_S)
                case ("disable", "success" | "denial", zone) if zone.rstrip(".").lower() == self._zone:
                    pass  # The cluster's names are never older than the cache that they are read from.
                case _:
                    raise _unknown("cache", each)
        self._block = replace(self._block, longest_s=most_s, stale_s=stale_s)

    def _hosts(self, line: Line, inner: tuple[Line, ...]) -> None:
        if len(line.words) > 1:
            raise CorefileError(f'"hosts" takes its entries inside the braces: there is no file "{line.words[1]}" here', line.number)
        ttl_s, has_reverse, falls_through = LONGEST_TTL_S, True, False
        entries: list[tuple[str, Name]] = []
        for each in inner:
            match each.words:
                case ("fallthrough",) | ("fallthrough", "."):
                    falls_through = True
                case ("no_reverse",):
                    has_reverse = False
                case ("ttl", text):
                    ttl_s = seconds(text, each.number, 65535)
                case (address, _, *_) if address not in _HOSTS_OPTIONS:
                    shown = _address(address, each)
                    entries += ((shown, zone_of(name, each.number)) for name in each.words[1:])
                case _:
                    raise _unknown("hosts", each)
            if len(entries) > MOST_HOSTS:
                raise CorefileError(f'"hosts" has more than {MOST_HOSTS} names', each.number)
        self._block = replace(self._block, hosts=_hosts_of(entries, ttl_s, has_reverse, falls_through))

    def _rewrite(self, line: Line, inner: tuple[Line, ...]) -> None:
        if inner:
            raise CorefileError('"rewrite" is written on one line here', line.number)
        words = list(line.words[1:])
        goes_on = words[:1] == ["continue"]
        if words[:1] in (["continue"], ["stop"]):
            words.pop(0)
        if words[:1] != ["name"]:
            raise CorefileError(f'"rewrite" changes a "name", not a "{words[0] if words else ""}"', line.number)
        if words[-2:] == ["answer", "auto"]:
            words = words[:-2]  # Answers carry the name that was asked for anyway.
        kind = words.pop(1) if len(words) == 4 and words[1] in _KINDS else "exact"
        if len(words) != 3:
            raise CorefileError(f'"rewrite name" takes one of {", ".join(_KINDS)}, the old and the new name', line.number)
        try:
            rule = Rewrite.of(kind, words[1], words[2], goes_on=goes_on)
        except BadPattern as error:
            raise CorefileError(str(error), line.number) from error
        rewrites = (*self._block.rewrites, rule)
        if len(rewrites) > MOST_REWRITES:
            raise CorefileError(f"a block has more than {MOST_REWRITES} rewrites", line.number)
        self._block = replace(self._block, rewrites=rewrites)

    def _kubernetes(self, line: Line, inner: tuple[Line, ...]) -> None:
        for zone in line.words[1:]:
            if zone.rstrip(".").lower() not in (self._zone, *_REVERSE):
                raise CorefileError(f'the cluster\'s zone is "{self._zone}", not "{zone}"', line.number)
        ttl_s, pod_names = self._block.ttl_s, True
        for each in inner:
            match each.words:
                case ("ttl", text):
                    ttl_s = seconds(text, each.number, LONGEST_TTL_S)
                case ("pods", "insecure"):
                    pod_names = True
                case ("pods", "disabled"):
                    pod_names = False
                case ("fallthrough", _, *zones) if {each.words[1], *zones} <= set(_REVERSE):
                    pass  # Reverse names of other networks are looked for elsewhere anyway.
                case _:
                    raise _unknown("kubernetes", each)
        self._block = replace(self._block, kubernetes=True, ttl_s=ttl_s, pod_names=pod_names)

    def _autopath(self, line: Line, inner: tuple[Line, ...]) -> None:
        zones = line.words[1:-1]
        if line.words[-1] != "@kubernetes" or inner or any(zone.rstrip(".").lower() != self._zone for zone in zones):
            raise CorefileError('"autopath" takes "@kubernetes" here', line.number)
        self._block = replace(self._block, autopath=True)

    def _forward(self, line: Line, inner: tuple[Line, ...]) -> None:
        if len(line.words) < 3:
            raise CorefileError('"forward" takes the names that are forwarded ("." for all) and the servers', line.number)
        base = zone_of(line.words[1], line.number)
        if base and any(zone[len(zone) - len(base) :] != base for zone in self._block.zones):
            raise CorefileError(f'"forward {line.words[1]}": give these names a block of their own', line.number)
        servers = tuple(_server(word, line) for word in line.words[2:])
        if len(servers) > MOST_SERVERS or (RESOLV_CONF in servers and len(servers) > 1):
            raise CorefileError(f'"forward" takes {RESOLV_CONF} alone, or up to {MOST_SERVERS} addresses', line.number)
        most, over_tcp = MOST_CONCURRENT, False
        for each in inner:
            match each.words:
                case ("force_tcp",):
                    over_tcp = True
                case ("max_concurrent", number) if number.isdecimal() and 0 < int(number[:9]) <= MOST_CONCURRENT:
                    most = int(number)
                case ("max_concurrent", *_):
                    raise CorefileError(f'"max_concurrent" is a number up to {MOST_CONCURRENT}', each.number)
                case _:
                    raise _unknown("forward", each)
        self._block = replace(self._block, forward=Forward(servers, most, over_tcp))


def _with_inner(body: tuple[Line, ...], at: int) -> tuple[Line, tuple[Line, ...], int]:
    """A plug-in's line without its brace, the lines inside its braces, and where the next plug-in stands."""
    line = body[at]
    if line.words[-1] != "{":
        return line, (), at + 1
    inner: list[Line] = []
    for end in range(at + 1, len(body)):
        if body[end].words == ("}",):
            break
        if body[end].words[-1] == "{":
            raise CorefileError("there are no braces inside a plug-in's braces", body[end].number)
        inner.append(body[end])
    if line.words == ("{",):
        raise CorefileError("a plug-in's name is missing before the brace", line.number)
    return Line(line.number, line.words[:-1]), tuple(inner), end + 1


def _unknown(plugin: str, line: Line) -> CorefileError:
    return CorefileError(f'"{plugin}" has no "{" ".join(line.words)[:80]}" here: it takes {_TAKES[plugin]}', line.number)


def _address(text: str, line: Line) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise CorefileError(f'"{text[:80]}" is no address', line.number) from None


def _server(word: str, line: Line) -> str:
    """Raises CorefileError for what is no address, and for transports other than plain DNS."""
    if word == RESOLV_CONF:
        return word
    text = word.removeprefix("dns://")
    if "//" in text:
        raise CorefileError(f'"{word[:80]}": servers are asked over plain DNS alone', line.number)
    address, port = text, "53"
    if text.startswith("[") or text.count(":") == 1:
        address, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port[:6]) < 65536:
        raise CorefileError(f'"{word[:80]}" has no valid port', line.number)
    shown = _address(address.strip("[]"), line)
    return f"[{shown}]:{int(port)}" if ":" in shown else f"{shown}:{int(port)}"


def _hosts_of(entries: list[tuple[str, Name]], ttl_s: int, has_reverse: bool, falls_through: bool) -> Hosts:
    by_name: dict[Name, dict[str, None]] = {}
    by_address: dict[str, dict[Name, None]] = {}
    for address, name in entries:
        by_name.setdefault(name, {})[address] = None
        if has_reverse:
            by_address.setdefault(address, {})[name] = None
    return Hosts(
        {name: tuple(addresses) for name, addresses in by_name.items()},
        {address: tuple(names) for address, names in by_address.items()},
        ttl_s,
        falls_through,
    )
