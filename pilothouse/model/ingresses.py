"""How Ingresses name the class that they are of, and which one they get when they name none. Pure.

Source: Kubernetes, "Ingress" (default IngressClass); plugin/pkg/admission/network/defaultingressclass.
"""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.json import Object

DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
LEGACY_CLASS = "kubernetes.io/ingress.class"


def names_class(ingress: Object) -> bool:
    """By the field, the empty name included, or by the annotation that was there before it."""
    return (ingress.get("spec") or {}).get("ingressClassName") is not None or LEGACY_CLASS in meta.annotations(ingress)


def default_class(classes: Iterable[Object]) -> Object | None:
    """The youngest of those that are marked; of equally young ones the first by name."""
    marked = sorted((each for each in classes if is_default_class(each)), key=meta.name)
    return max(marked, key=lambda each: str(each["metadata"].get("creationTimestamp") or ""), default=None)


def is_default_class(ingress_class: Object) -> bool:
    return meta.annotations(ingress_class).get(DEFAULT_CLASS) == "true"
