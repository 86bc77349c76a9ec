"""How clients are led from one primary to another without a moment in which a Service leads to nobody (pure)."""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels
from pilothouse.platform.databases.mysql.topology.orders import Order

PRIMARY, REPLICA = "primary", "replica"


def wanted(pods: Mapping[str, Object], primary: str, readable: frozenset[str]) -> dict[str, dict[str, str | None]]:
    """Labels by member, where they are not so yet, in the order in which they are to be written.

    The new primary comes first: for a moment the Service leads to both, never to none.
    """
    found: dict[str, dict[str, str | None]] = {
        name: {labels.ROLE: PRIMARY if name == primary else REPLICA, labels.READABLE: "yes" if name in readable else None}
        for name in sorted(pods, key=lambda name: name != primary)
    }
    return {name: each for name, each in found.items() if any(meta.labels(pods[name]).get(key) != value for key, value in each.items())}


def held(orders: Mapping[str, Order], pods: Mapping[str, Object], primary: str) -> Mapping[str, Order]:
    """Nobody's sessions are ended before the cluster tells of the label by which the Service leads to the new primary.

    Else clients would come back to the old one, which takes no more writes.
    """
    pod = pods.get(primary)
    is_led = pod is not None and meta.labels(pod).get(labels.ROLE) == PRIMARY
    return orders if is_led else {name: replace(order, drain=False) for name, order in orders.items()}
