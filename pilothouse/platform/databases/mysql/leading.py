"""How clients are led from one primary to another without a moment in which a Service leads to nobody (pure)."""

from collections.abc import Mapping

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels

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
