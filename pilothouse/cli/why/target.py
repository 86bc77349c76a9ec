"""What `ph why` is asked about: APP, KIND/NAME, or the bare name of another object."""

from typing import TYPE_CHECKING

import click

from pilothouse.cli.session import placed
from pilothouse.model import kinds
from pilothouse.model.errors import Forbidden
from pilothouse.model.resource import Resource
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS
from pilothouse.platform.databases.resource import MYSQLS

if TYPE_CHECKING:
    from pilothouse.cli.why.reader import Reader

_RESOURCES: tuple[Resource, ...] = (
    APPS,
    MYSQLS,
    kinds.DEPLOYMENTS,
    kinds.STATEFULSETS,
    kinds.DAEMONSETS,
    kinds.PODS,
    kinds.CRONJOBS,
    kinds.JOBS,
    kinds.PERSISTENTVOLUMECLAIMS,
    kinds.HORIZONTALPODAUTOSCALERS,
    kinds.PODDISRUPTIONBUDGETS,
    kinds.INGRESSES,
    kinds.SERVICES,
    BUILDS,
    kinds.REPLICASETS,
    kinds.REPLICATIONCONTROLLERS,
)
"""In the order in which a bare name is looked for."""
_KINDS = {word: each.kind for each in _RESOURCES for word in (each.kind.lower(), each.plural, *each.short_names)}


def target(text: str) -> tuple[str | None, str]:
    """Kind and name; the kind is None for a bare name. Raises click.UsageError for a kind that nothing is known about."""
    kind, slash, name = text.rpartition("/")
    if not slash:
        return None, text
    known = _KINDS.get(kind.lower().partition(".")[0])
    if known is None or not name:
        raise click.UsageError(
            f"{text!r}: write APP or KIND/NAME, with KIND one of {', '.join(sorted({k.lower() for k in _KINDS.values()}))}; "
            f"{placed('`ph kubectl describe`')} tells of others"
        )
    return known, name


async def kind_of(reader: "Reader", name: str, namespace: str) -> str:
    """Of a bare name: that of the first object which has it, an app before all others; App where there is none."""
    for resource in _RESOURCES:
        try:
            if await reader.get_or_none(resource, name, namespace) is not None:
                return resource.kind
        except Forbidden:
            continue
    return APPS.kind
