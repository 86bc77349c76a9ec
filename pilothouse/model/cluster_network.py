"""The kind ClusterNetwork of network.pilothouse.dev/v1, its defaults, and what Nodes say of how they follow it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

GROUP = "network.pilothouse.dev"
CLUSTERNETWORKS = Resource(
    GROUP,
    "v1",
    "clusternetworks",
    "ClusterNetwork",
    namespaced=False,
    singular="clusternetwork",
    subresources=("status",),
    custom=True,
)
NAME = "default"
"""Of the only object that counts."""
ROUTES, VXLAN, BGP, HOST = "Routes", "VXLAN", "BGP", "Host"
BACKENDS = (ROUTES, VXLAN, BGP, HOST)
NO_ENCRYPTION, WIREGUARD = "None", "WireGuard"
DEFAULTS: Object = {
    "backend": ROUTES,
    "vxlan": {"vni": 4114, "port": 8472, "directRouting": False},
    "mtu": 0,
    "encryption": NO_ENCRYPTION,
}
WIREGUARD_PORT = 51820
"""UDP port at which nodes take encrypted packets."""
FOLLOWS = f"{GROUP}/follows"
"""Annotation of a Node: what it has carried out, as JSON (`Following`)."""
CANNOT = f"{GROUP}/cannot"
"""Annotation of a Node: what its machine cannot do, as a JSON object from a back end or an encryption to a sentence."""
VTEP = f"{GROUP}/vxlan"
"""Annotation of a Node: where its tunnel ends, as a JSON object of mac, vni, port and address."""
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Following:
    """generation: of the ClusterNetwork that the node has seen. waiting: nodes that it does not reach that way yet, the first ten.

    problem: a sentence, "" for none.
    """

    backend: str = ""
    generation: int = 0
    waiting: tuple[str, ...] = ()
    problem: str = ""

    def waits_for(self, node: str) -> bool:
        """Also where more are waited for than are named."""
        return node in self.waiting or len(self.waiting) >= MOST_NAMED

    def shown(self) -> str:
        found: dict[str, object] = {"backend": self.backend, "generation": self.generation}
        if self.waiting:
            found["waiting"] = list(self.waiting[:MOST_NAMED])
        if self.problem:
            found["problem"] = self.problem[:500]
        return json.dumps(found)


def following(node: Object) -> Following:
    """What a node says; of one that says nothing, or what cannot be read, nothing."""
    said = _read(node, FOLLOWS)
    backend, generation, waiting, problem = (said.get(key) for key in ("backend", "generation", "waiting", "problem"))
    return Following(
        backend if isinstance(backend, str) else "",
        generation if isinstance(generation, int) else 0,
        tuple(each[:253] for each in waiting[:MOST_NAMED] if isinstance(each, str)) if isinstance(waiting, list) else (),
        problem[:500] if isinstance(problem, str) else "",
    )


def cannot(node: Object) -> dict[str, str]:
    """By back end or encryption, why the node's machine cannot do it."""
    return {key: value for key, value in _read(node, CANNOT).items() if isinstance(value, str)}


def vtep(node: Object) -> Mapping[str, object]:
    return _read(node, VTEP)


def filled(spec: Object) -> Object:
    """With defaults where nothing is said."""
    return {**DEFAULTS, **spec, "vxlan": {**DEFAULTS["vxlan"], **(spec.get("vxlan") or {})}}


def encrypts(spec: Object) -> tuple[str, ...]:
    """The encryption that is asked for, if any."""
    return (spec["encryption"],) if spec["encryption"] != NO_ENCRYPTION else ()


def carrier(spec: Object) -> str:
    """What carries packets between nodes: the back end, or the encryption's own tunnels."""
    return next(iter(encrypts(spec)), None) or str(spec["backend"])


def why_not(network: Object, node: Object) -> str:
    """Why a node has not carried out the whole of what is set; "" when it has."""
    spec, said = network["spec"], following(node)
    for asked in (spec["backend"], *encrypts(spec)):
        if why := cannot(node).get(asked):
            return f"it cannot do {asked}: {why}"
    if not meta.is_true(node, "Ready"):
        return "it is not ready"
    if said.generation != network["metadata"]["generation"]:
        return "it still follows what was set before" if said.generation else "its agent has not said anything about it yet"
    if said.problem:
        return said.problem
    if said.waiting:
        return f"it waits for {', '.join(said.waiting[:MOST_NAMED])}"
    return ""


def _read(node: Object, annotation: str) -> dict[str, object]:
    try:
        found = json.loads(meta.annotations(node).get(annotation) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
