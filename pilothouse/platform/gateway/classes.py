"""Which Ingresses are the gateway's, and which Secrets these name. Pure."""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.ingresses import LEGACY_CLASS, is_default_class
from pilothouse.model.json import Object

CONTROLLER = "pilothouse.dev/gateway"


def served(ingresses: Iterable[Object], classes: Iterable[Object]) -> list[Object]:
    """Those of a class whose controller the gateway is, or of none where one of these is the cluster's default."""
    own = ours(classes)
    names, default = {meta.name(c) for c in own}, any(is_default_class(c) for c in own)
    return [ingress for ingress in ingresses if (_class(ingress) in names if _class(ingress) else default)]


def ours(classes: Iterable[Object]) -> list[Object]:
    """The classes whose controller the gateway is."""
    return [c for c in classes if (c.get("spec") or {}).get("controller") == CONTROLLER]


def is_served(ingress: Object, classes: Iterable[Object]) -> bool:
    return bool(served([ingress], classes))


def tls_secrets(ingress: Object) -> list[str]:
    """In the Ingress's own namespace."""
    return [name for entry in (ingress.get("spec") or {}).get("tls") or () if (name := entry.get("secretName"))]


def _class(ingress: Object) -> str:
    return (ingress.get("spec") or {}).get("ingressClassName") or meta.annotations(ingress).get(LEGACY_CLASS) or ""
