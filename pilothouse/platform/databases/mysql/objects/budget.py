"""How many members may be taken away at once by those who drain nodes (pure)."""

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels


def budget(instance: Object) -> Object:
    """One at a time. A single one may go, too: it starts elsewhere, where refusing would only keep its node from being drained."""
    return {
        "apiVersion": kinds.PODDISRUPTIONBUDGETS.api_version,
        "kind": kinds.PODDISRUPTIONBUDGETS.kind,
        "metadata": labels.metadata(instance, meta.name(instance)),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels.selector(meta.name(instance))}},
    }
