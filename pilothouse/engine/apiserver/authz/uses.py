"""What the cluster's own identities ask for, and whether they may: counted for /metrics, a first refusal in the log.

A part that lacks a right waits and tries again, so nobody would see it fail; and a right that no part uses is one too many.
Nodes count as one identity, and of namespaces only the cluster's own are told apart: what is counted does not grow with what users make.
"""

from collections.abc import Iterator

import structlog

from pilothouse.aio.meters import labelled
from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.identity import NODE_PREFIX, SERVICE_ACCOUNT_PREFIX

_log = structlog.get_logger("apiserver")

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "pilothouse-system")
ANY_NODE = f"{NODE_PREFIX}*"
_ACCOUNTS = tuple(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:" for namespace in SYSTEM_NAMESPACES)
_MOST = 5_000
"""Series: people may make service accounts in the cluster's own namespaces, too."""
_LONGEST_RESOURCE = 256
"""A node may ask for any path."""
_LABELS = ("allowed", "namespace", "resource", "user", "verb")

Use = tuple[str, str, str, str, bool]
"""Identity, verb, resource (`deployments.apps/status`, or a path), namespace ("*": one of the users'), and whether it was allowed."""


class Uses:
    def __init__(self) -> None:
        self._counts: dict[Use, int] = {}

    def note(self, asked: Attributes, *, allowed: bool) -> None:
        identity = _identity(asked.user.name)
        if not identity:
            return
        use = (identity, asked.verb, _resource(asked), _namespace(asked.namespace), allowed)
        count = self._counts.get(use, 0)
        if count or len(self._counts) < _MOST:
            self._counts[use] = count + 1
        if not allowed and not count:
            _log.warning(
                "a part of the cluster is refused", user=asked.user.name, verb=asked.verb, resource=use[2], namespace=asked.namespace
            )

    def __iter__(self) -> Iterator[Use]:
        return iter(sorted(self._counts))

    def lines(self) -> list[str]:
        """In Prometheus' text format."""
        name = "pilothouse_own_requests_total"
        lines = [f"# HELP {name} Requests of the cluster's own parts, and whether they are allowed.", f"# TYPE {name} counter"]
        for (user, verb, resource, namespace, allowed), count in sorted(self._counts.items()):
            values = (str(allowed).lower(), namespace, resource, user, verb)
            lines.append(f"{name}{labelled(_LABELS, values)} {count}")
        return lines


def _identity(user: str) -> str:
    """ "" for people and their service accounts."""
    if user.startswith(NODE_PREFIX):
        return ANY_NODE
    if user.startswith(SERVICE_ACCOUNT_PREFIX):
        return user if user.startswith(_ACCOUNTS) else ""
    return user if user in ("system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "system:gateway") else ""


def _resource(asked: Attributes) -> str:
    if asked.path:
        return "path"
    group = f".{asked.group}" if asked.group else ""
    resource = f"{asked.resource}{group}" + (f"/{asked.subresource}" if asked.subresource else "")
    return resource if len(resource) <= _LONGEST_RESOURCE else "other"


def _namespace(name: str) -> str:
    return name if not name or name in SYSTEM_NAMESPACES else "*"
