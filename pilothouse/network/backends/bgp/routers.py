"""Sessions with routers outside, by MetalLB's BGPPeers. Pure.

What is not carried out is refused: a BGPPeer that asks for it gets no session, and a sentence that says why.
Source: metallb/metallb api/v1beta2/bgppeer_types.go.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from pilothouse.model import durations, meta
from pilothouse.model.bgp import secret_name
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError, from_label_selector
from pilothouse.network.backends.bgp.sessions import session_name
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.config import Address
from pilothouse.network.backends.seam import Peer

NOT_CARRIED_OUT = {
    "bfdProfile": "BFD",
    "vrf": "a VRF",
    "interface": "a session by interface instead of by address",
    "dynamicASN": "an AS number that is not stated",
    "routerID": "another router id than the node's",
}
"""Field -> what it asks for."""
PORT, LEAST_HOLD_S = 179, 3
"""PORT: of a router that states none, and at which nodes take the sessions of routers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSession:
    """peer: the BGPPeer. Times in seconds. password: of TCP MD5 (RFC 2385), "" for none; never shown."""

    peer: str
    address: Address
    port: int
    own_as: int
    remote_as: int
    local: Address | None
    hold_s: int
    keepalive_s: int
    is_multihop: bool
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return session_name("router", self.peer, self.address.version)


class Refused(Exception):
    """Why a BGPPeer has no session: the rest of a sentence about it."""


@dataclass(frozen=True, slots=True)
class Routers:
    """problems: by BGPPeer."""

    sessions: tuple[RouterSession, ...]
    problems: Mapping[str, str]


def routers(peers: Iterable[Object], own: Peer, settings: BGPSettings, passwords: Mapping[str, str]) -> Routers:
    """peers: BGPPeers. passwords: by the name of the Secret, as far as they could be read."""
    sessions: dict[Address, RouterSession] = {}
    problems: dict[str, str] = {}
    for obj in sorted(peers, key=meta.name):
        try:
            if not _is_for(obj, own):
                continue
            session = _session(obj, own, settings, passwords)
        except Refused as refused:
            problems[meta.name(obj)] = str(refused)
            continue
        if (other := sessions.get(session.address)) is not None:
            problems[session.peer] = f"it has the address of BGPPeer {other.peer}, {session.address}: a node has one session with a router"
        else:
            sessions[session.address] = session
    return Routers(tuple(sorted(sessions.values(), key=lambda each: each.name)), problems)


def _is_for(obj: Object, own: Peer) -> bool:
    """Without selectors: for every node."""
    selectors = (obj.get("spec") or {}).get("nodeSelectors") or ()
    try:
        return not selectors or any(from_label_selector(each).matches(meta.labels(own.node)) for each in selectors)
    except SelectorError as error:
        raise Refused(f"its nodeSelectors are not understood: {error}") from error


def _session(obj: Object, own: Peer, settings: BGPSettings, passwords: Mapping[str, str]) -> RouterSession:
    spec: Object = obj.get("spec") or {}
    if asked := next(_asks_too_much(spec), ""):
        raise Refused(asked)
    address = _address(spec.get("peerAddress"), "peerAddress")
    source = _address(spec["sourceAddress"], "sourceAddress") if spec.get("sourceAddress") else own.address(address.version)
    if source is None or source.version != address.version:
        raise Refused(
            f"this node has no IPv{address.version} address to speak with {address} from: set sourceAddress, or select other nodes"
        )
    hold_s, keepalive_s = _times(spec, settings)
    own_as, remote_as = spec.get("myASN") or settings.as_number, spec.get("peerASN") or 0
    if not remote_as:
        raise Refused("it states no peerASN: say which AS the router is in")
    return RouterSession(
        peer=meta.name(obj),
        address=address,
        port=spec.get("peerPort") or PORT,
        own_as=own_as,
        remote_as=remote_as,
        local=source,
        hold_s=hold_s,
        keepalive_s=keepalive_s,
        is_multihop=bool(spec.get("ebgpMultiHop")) or own_as == remote_as,
        password=_password(obj, passwords),
    )


def _asks_too_much(spec: Object) -> Iterator[str]:
    for name, what in NOT_CARRIED_OUT.items():
        if spec.get(name):
            yield f"it asks for {what} ({name}), which is not supported: leave {name} out"


def _address(text: object, name: str) -> Address:
    try:
        found = ip_address(str(text))
    except ValueError as error:
        raise Refused(f"its {name} {str(text)[:64]!r} is no IP address") from error
    if found.version == 6 and getattr(found, "scope_id", None):
        raise Refused(f"its {name} {found} has a scope, which is not supported: use the router's global address")
    return found


def _times(spec: Object, settings: BGPSettings) -> tuple[int, int]:
    """Hold and keepalive, in seconds."""
    try:
        hold_s = _seconds(spec, "holdTime", settings.hold_s)
        keepalive_s = _seconds(spec, "keepaliveTime", max(hold_s // 3, 1))
    except ValueError as error:
        raise Refused(f"its holdTime or keepaliveTime is no duration such as 90s: {error}") from error
    if hold_s < LEAST_HOLD_S or keepalive_s < 1 or keepalive_s > hold_s:
        raise Refused(f"its holdTime {hold_s} s must be at least {LEAST_HOLD_S} s, and keepaliveTime {keepalive_s} s from 1 s to that")
    return hold_s, keepalive_s


def _seconds(spec: Object, name: str, otherwise: int) -> int:
    return durations.duration_ns(str(spec[name])) // 10**9 if spec.get(name) else otherwise


def _password(obj: Object, passwords: Mapping[str, str]) -> str:
    spec = obj["spec"]
    secret = secret_name(obj)
    if secret and secret not in passwords:
        raise Refused(f"its Secret {secret} cannot be read: make one of type kubernetes.io/basic-auth in namespace {meta.namespace(obj)}")
    found = passwords[secret] if secret else str(spec.get("password") or "")
    if len(found.encode()) > 80 or any(each in '"\\' or not each.isprintable() for each in found):
        # 80 bytes are what the kernel takes (TCP_MD5SIG_MAXKEYLEN); BIRD's strings have no escapes.
        raise Refused("its password has more than 80 bytes, or a quotation mark, a backslash or a control character in it: choose another")
    return found
