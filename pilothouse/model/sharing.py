"""Which hosts Ingresses of several namespaces may have together: none, unless an IngressClass names them (pure)."""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.json import Object

SHARED_HOSTS = "gateway.pilothouse.dev/shared-hosts"
"""Annotation of an IngressClass, which administrators alone write: hosts separated by commas, `*` for every host."""


def is_shared(host: str, classes: Iterable[Object]) -> bool:
    """classes: the IngressClasses of the gateway. host: as rules have it; "*" for any, which only `*` shares."""
    named = {word.strip() for each in classes for word in meta.annotations(each).get(SHARED_HOSTS, "").split(",")}
    return "*" in named or host in named
