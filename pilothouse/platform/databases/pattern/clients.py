"""Clients that may connect, as people write and read them (pure)."""

from pilothouse.model.json import Object


def text(client: Object) -> str:
    """Such as `app=reports`, `tools/app=reports`, `tools/` and `10.1.0.0/16`, as options of `ph` take them; several labels with commas."""
    if client.get("cidr"):
        return str(client["cidr"])
    labels = ",".join(f"{key}={value}" for key, value in sorted((client.get("labels") or {}).items()))
    return f"{client['namespace']}/{labels}" if client.get("namespace") else labels or "all pods of the namespace"


def is_writable(client: Object) -> bool:
    """Whether options of `ph` can say it: with one label, or a namespace without any."""
    labels = client.get("labels") or {}
    return bool(client.get("cidr")) or len(labels) == 1 or (not labels and bool(client.get("namespace")))
