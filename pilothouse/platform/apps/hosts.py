"""Who has a host name: the route that is there, and among apps that have no route yet the oldest (pure).

The gateway gives a host and path that several Ingresses name to the oldest of them. An app that would not be reached is not
built and not rolled out; it says whose the host is.
"""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.sharing import is_shared
from pilothouse.platform.apps import objects, processes
from pilothouse.platform.apps.objects import Surroundings


def taken(app: Object, ingresses: Sequence[Object], apps: Sequence[Object], around: Surroundings, classes: Sequence[Object] = ()) -> str:
    """A sentence that names the host and what has it; "" when the app's hosts are free or its own.

    ingresses, apps: those that name one of the app's hosts, the app and its own Ingress among them. classes: the IngressClasses,
    which may share hosts between namespaces.
    """
    if not processes.has_route(app):
        return ""
    own = next((ingress for ingress in ingresses if _owner(ingress) == meta.uid(app)), None)
    for host in objects.hosts(app, around):
        for ingress in ingresses:
            shuts_out = around.hosts_by_namespace and meta.namespace(ingress) != meta.namespace(app) and not is_shared(host, classes)
            is_rival = _owner(ingress) != meta.uid(app) and takes(ingress, host, around, whole=not shuts_out)
            if is_rival and not _goes_first(own, ingress, host, around):
                return f"the host {host} is {_holder(ingress)}'s: choose another host"
        for other in apps:
            if host in wanted_hosts(other, around) and own is None and _age(other) < _age(app):
                return f"the host {host} is app {_shown(other)}'s: choose another host"
    return ""


def wanted_hosts(app: Object, around: Surroundings) -> list[str]:
    return objects.hosts(app, around) if processes.has_route(app) and not meta.is_deleting(app) else []


def hosts_of(ingress: Object) -> list[str]:
    """Named in a rule or for TLS, as the gateway counts them; "" for a rule without a host."""
    spec = ingress.get("spec") or {}
    secured = {host for entry in spec.get("tls") or () if entry.get("secretName") for host in entry.get("hosts") or ()}
    return sorted(secured | {rule.get("host", "") for rule in spec.get("rules") or ()})


def takes(ingress: Object, host: str, around: Surroundings, *, whole: bool = True) -> bool:
    """Whether all of the host goes to the ingress, and not only some paths of it; not whole: whether it names the host at all."""
    spec = ingress.get("spec") or {}
    if spec.get("ingressClassName", around.ingress_class) != around.ingress_class or meta.is_deleting(ingress):
        return False
    if not whole:
        return host in hosts_of(ingress)
    rules = [rule for rule in spec.get("rules") or () if rule.get("host") == host]
    paths = [path for rule in rules for path in (rule.get("http") or {}).get("paths") or ()]
    return any(path.get("path", "/") in ("", "/") and path.get("pathType") != "Exact" for path in paths)


def _goes_first(own: Object | None, other: Object, host: str, around: Surroundings) -> bool:
    return own is not None and takes(own, host, around) and _age(own) < _age(other)


def _age(obj: Object) -> tuple[str, str]:
    """Orders the older first."""
    return obj["metadata"].get("creationTimestamp") or "", meta.key(obj)


def _owner(ingress: Object) -> str:
    owner = meta.controller_of(ingress)
    return str(owner["uid"]) if owner is not None else ""


def _holder(ingress: Object) -> str:
    owner = meta.controller_of(ingress)
    if owner is not None and owner["kind"] == "App":
        return f"app {_shown({'metadata': {'name': owner['name'], 'namespace': meta.namespace(ingress)}})}"
    return f"ingress {_shown(ingress)}"


def _shown(obj: Object) -> str:
    space = meta.namespace(obj)
    return meta.name(obj) if space == "default" else f"{meta.name(obj)} in namespace {space}"
