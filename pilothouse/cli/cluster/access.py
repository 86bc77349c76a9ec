"""What `ph run platform` must be allowed to do, asked before it begins.

A controller that may not list something would wait for it forever; the administrator is rather told everything that is
missing, at once, in the words of a role. What is written only once (the definitions, the namespace) is left to the server's
own refusal, since an administrator may have made it before. Databases are left out where their rights are missing.
Source: kubernetes.io "Checking API access", SelfSubjectAccessReview.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.aio.tasks import each
from pilothouse.client.client import Client
from pilothouse.model import kinds
from pilothouse.model.errors import MethodNotAllowed, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform import rights
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.pod import SYSTEM
from pilothouse.platform.builds.resource import BUILDS

LEASE_NAMESPACE = "kube-system"
CHECKS_AT_ONCE = 8
KEPT = ("list", "watch", "create", "patch", "delete")
DATABASE_PARTS = (rights.DATABASES, rights.BINDINGS, rights.BACKUPS)
MADE = ("list", "watch", "create", "delete")


@dataclass(frozen=True, slots=True)
class Need:
    """verbs on a resource, in a namespace or, with "", in all of them."""

    resource: Resource
    verbs: tuple[str, ...]
    namespace: str = ""
    subresource: str = ""

    def attributes(self, verb: str) -> Object:
        return {
            "verb": verb,
            "group": self.resource.group,
            "version": self.resource.version,
            "resource": self.resource.plural,
            "subresource": self.subresource,
            "namespace": self.namespace,
        }

    def told(self, verbs: Iterable[str]) -> str:
        """`list, watch deployments.apps in all namespaces`"""
        name = f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural
        group = f".{self.resource.group}" if self.resource.group else ""
        where = f"namespace {self.namespace}" if self.namespace else "all namespaces"
        return f"{', '.join(verbs)} {name}{group} in {where}"


def needs(*, builds: bool) -> list[Need]:
    """builds: whether there is a registry, so that images are built."""
    found = [
        Need(kinds.LEASES, ("get", "create", "update"), LEASE_NAMESPACE),
        Need(APPS, ("list", "watch")),
        Need(APPS, ("patch",), subresource="status"),
        Need(BUILDS, ("list", "watch", *(("create", "delete") if builds else ()))),
        Need(kinds.CONTROLLERREVISIONS, ("list", "watch", "create", "update", "delete")),
        Need(kinds.DEPLOYMENTS, KEPT),
        Need(kinds.SERVICES, KEPT),
        Need(kinds.INGRESSES, KEPT),
        Need(kinds.JOBS, MADE),
        Need(kinds.SECRETS, MADE),
        Need(kinds.PERSISTENTVOLUMECLAIMS, ("list", "watch", "create", "patch")),
        Need(kinds.PODS, ("list", "watch", *(("create", "delete") if builds else ()))),
        Need(kinds.EVENTS, ("create", "patch")),
        Need(kinds.CONFIGMAPS, ("get", "list", "watch", "create", "update"), SYSTEM),
        Need(kinds.SECRETS, ("get", "list", "watch", "create", "update"), SYSTEM),
    ]
    if builds:
        found += [
            Need(BUILDS, ("patch",), subresource="status"),
            Need(kinds.PODS, ("get",), subresource="log"),
            Need(kinds.SECRETS, ("get", "update")),
        ]
    return found


def database_needs() -> list[Need]:
    """Of the parts that serve databases: what their roles hold on a cluster of ours, whose API server lets them read Secrets besides."""
    verbs: dict[tuple[str, str], dict[str, None]] = {("", "secrets"): dict.fromkeys(("list", "watch"))}
    for rule in (rule for part in DATABASE_PARTS for rule in rights.rules(part)):
        for place in itertools.product(rule["apiGroups"], rule["resources"]):
            verbs.setdefault(place, {}).update(dict.fromkeys(rule["verbs"]))
    return [_need(group, resource, tuple(found)) for (group, resource), found in verbs.items()]


def _need(group: str, resource: str, verbs: tuple[str, ...]) -> Need:
    plural, _, subresource = resource.partition("/")
    return Need(Resource(group, "v1", plural, ""), verbs, subresource=subresource)


async def missing(client: Client, wanted: Iterable[Need]) -> list[str]:
    """What of it the client may not do, one text a need; empty on a cluster that does not tell."""
    asked = [(need, verb) for need in wanted for verb in need.verbs]
    try:
        allowed = await each([_is_allowed(client, need.attributes(verb)) for need, verb in asked], limit=CHECKS_AT_ONCE)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    refused: dict[Need, list[str]] = {}
    for (need, verb), is_allowed in zip(asked, allowed, strict=True):
        if not is_allowed:
            refused.setdefault(need, []).append(verb)
    return [need.told(verbs) for need, verbs in refused.items()]


async def _is_allowed(client: Client, attributes: Object) -> bool:
    res = kinds.SELFSUBJECTACCESSREVIEWS
    review = {"apiVersion": res.api_version, "kind": res.kind, "metadata": {}, "spec": {"resourceAttributes": attributes}}
    try:
        answer = await client.call("POST", res.path(), body=review)
    except (NotFound, MethodNotAllowed):
        return True
    return bool((answer.get("status") or {}).get("allowed"))
