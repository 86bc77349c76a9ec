"""The kinds of metallb.io that BGP is configured by, and what a node says of its sessions. Pure.

Source: metallb/metallb api/v1beta2/bgppeer_types.go, api/v1beta1/bgpadvertisement_types.go.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import GROUP
from pilothouse.model.resource import Resource

BGPPEERS = Resource(GROUP, "v1beta2", "bgppeers", "BGPPeer", singular="bgppeer", subresources=("status",), custom=True)
BGPADVERTISEMENTS = Resource(
    GROUP, "v1beta1", "bgpadvertisements", "BGPAdvertisement", singular="bgpadvertisement", subresources=("status",), custom=True
)
STATUS = "network.pilothouse.dev/bgp"
"""Annotation of a Node: how its sessions are, as JSON (`shown`)."""
NODE, ROUTER = "node", "router"
"""What is at the other end of a session."""
MOST_SESSIONS, MOST_REMARKS, MOST_REMARK = 40, 5, 500


def secret_name(peer: Object) -> str:
    """Of the Secret with a BGPPeer's password, in the BGPPeer's namespace; "" for none."""
    return str(((peer.get("spec") or {}).get("passwordSecret") or {}).get("name") or "")


def shown(as_number: int, sessions: Iterable[Mapping[str, Any]], remarks: Iterable[str] = ()) -> str:
    """sessions: each with peer, kind, address, state, since, imported, exported and error. Those that are down come first; of very many
    only the first are named, and all are counted. remarks: sentences beside them."""
    ordered = sorted(sessions, key=lambda each: (each["state"] == "Established", each["kind"] == NODE, each["peer"], each["address"]))
    up = sum(each["state"] == "Established" for each in ordered)
    kept = [{key: value for key, value in each.items() if value not in ("", 0)} for each in ordered[:MOST_SESSIONS]]
    found = {"as": as_number, "sessions": len(ordered), "up": up, "named": kept}
    if said := [each[:MOST_REMARK] for each in remarks][:MOST_REMARKS]:
        found["remarks"] = said
    return json.dumps(found)


def status(node: Object) -> dict[str, Any]:
    """What a node says; {} of one that says nothing, or what cannot be read."""
    try:
        found = json.loads(meta.annotations(node).get(STATUS) or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not all(isinstance(found.get(key), int) for key in ("as", "sessions", "up")):
        return {}
    named, remarks = found.get("named"), found.get("remarks")
    return {
        **found,
        "named": [each for each in named if isinstance(each, dict)] if isinstance(named, list) else [],
        "remarks": [each for each in remarks if isinstance(each, str)] if isinstance(remarks, list) else [],
    }
