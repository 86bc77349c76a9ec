"""Which BGPPeers name a Secret with the password of a router that a node speaks with.

Only those of the namespace whose BGPPeers count, and only for nodes that they select.
"""

from pilothouse.engine.apiserver.following import follow_resource
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.bgp import BGPPEERS, secret_name
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import NAMESPACE
from pilothouse.model.selector import SelectorError, from_label_selector


class RouterSecrets:
    """An index (see `follow_resource`) of the BGPPeers that name Secrets."""

    def __init__(self) -> None:
        self._peers: dict[str, Object] = {}

    def follow(self, store: Store) -> None:
        follow_resource(store, BGPPEERS, self)

    def clear(self) -> None:
        self._peers.clear()

    def put(self, namespace: str, name: str, peer: Object) -> None:
        self.drop(namespace, name)
        if namespace == NAMESPACE and secret_name(peer):
            self._peers[name] = peer

    def drop(self, namespace: str, name: str) -> None:
        if namespace == NAMESPACE:
            self._peers.pop(name, None)

    def is_named(self, namespace: str, secret: str) -> bool:
        return namespace == NAMESPACE and any(secret_name(peer) == secret for peer in self._peers.values())

    def is_for(self, node: Object, namespace: str, secret: str) -> bool:
        return namespace == NAMESPACE and any(secret_name(peer) == secret and _selects(peer, node) for peer in self._peers.values())


def _selects(peer: Object, node: Object) -> bool:
    selectors = (peer.get("spec") or {}).get("nodeSelectors") or ()
    try:
        return not selectors or any(from_label_selector(each).matches(meta.labels(node)) for each in selectors)
    except SelectorError:
        return False
