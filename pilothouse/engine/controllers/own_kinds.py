"""Definitions of kinds that the control plane brings with it, and one rule for all of them.

    missing                         made, also when somebody has deleted it since the last start
    ours, as another version made it  replaced, whether that version was an earlier or a later one
    applied by somebody             left as it is: manifests of whoever publishes the kind, with kubectl or server-side
    without our mark                left as it is

What somebody changes by hand in one of ours stays until a version with another definition starts. While the API is not ready it is tried
again; nothing else of the control plane waits for it.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import structlog

from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, ApiError
from pilothouse.model.json import Object, fingerprint
from pilothouse.model.kinds import CRDS
from pilothouse.model.resource import Resource

log = structlog.get_logger("controllers.own_kinds")

MADE_HERE = "pilothouse.io/definition"
"""Annotation of the definitions that the control plane has made: a digest of what it has made, so that no change of it can be forgotten."""
APPROVED = "api-approved.kubernetes.io"
"""Annotation without which a definition below k8s.io is not established."""
FIRST_S, RETRY_S = 0.1, 5.0
"""A kind is served a moment after its definition was written, and other hindrances last longer."""
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


Column = tuple[str, str, str]
"""Name, path and type."""


def definition(
    resource: Resource, schema: Object, columns: Iterable[Column] = (), *, wide: Iterable[Column] = (), annotations: Object | None = None
) -> Object:
    """schema: of the whole object. columns: what kubectl shows. wide: what it shows besides with `-o wide`."""
    shown = [{"name": name, "jsonPath": path, "type": type_} for name, path, type_ in columns]
    more = [{"name": name, "jsonPath": path, "type": type_, "priority": 1} for name, path, type_ in wide]
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}} if resource.subresources else {},
        "additionalPrinterColumns": [*shown, *more],
    }
    names: Object = {"plural": resource.plural, "singular": resource.singular, "kind": resource.kind, "listKind": f"{resource.kind}List"}
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    scope = "Namespaced" if resource.namespaced else "Cluster"
    spec = {"group": resource.group, "scope": scope, "names": names, "versions": [version]}
    made = hashlib.sha256(fingerprint(spec)).hexdigest()[:16]
    return {
        "apiVersion": kinds.CRDS.api_version,
        "kind": kinds.CRDS.kind,
        "metadata": {"name": resource.group_resource, "annotations": {**(annotations or {}), MADE_HERE: made}},
        "spec": spec,
    }


async def ensure(client: Client, *definitions: Object) -> None:
    """Raises ApiError."""
    for wanted in definitions:
        found = await client.get_or_none(CRDS, meta.name(wanted))
        if found is None:
            with suppress(AlreadyExists):
                await client.create(CRDS, wanted)
        elif _is_ours(found) and meta.annotations(found)[MADE_HERE] != meta.annotations(wanted)[MADE_HERE]:
            patch = {"metadata": {"annotations": meta.annotations(wanted)}, "spec": wanted["spec"]}
            await client.patch(CRDS, meta.name(wanted), patch)


async def installed(install: Callable[[], Awaitable[None]], what: str) -> None:
    """Until `install` has run through. what: as the log names it."""
    pause_s = FIRST_S
    while True:
        try:
            return await install()
        except ApiError as error:
            if error.code != 404 or pause_s >= RETRY_S:
                log.warning("kinds not made", kinds=what, why=error.message, retry_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, RETRY_S)


def _is_ours(found: Object) -> bool:
    annotations = meta.annotations(found)
    is_applied = any(each.get("operation") == "Apply" for each in found["metadata"].get("managedFields") or ())
    return MADE_HERE in annotations and _APPLIED not in annotations and not is_applied
