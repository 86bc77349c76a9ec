"""What an instance may hold: the rules that people meet, each fault one sentence with a way out (pure).

The command line asks before it writes, the controller for an object of plain YAML. What the schema refuses (`types`) is not said again.
"""

import ipaddress
from collections.abc import Iterator, Mapping

from pilothouse.model import meta
from pilothouse.model.cron import utc
from pilothouse.model.json import Object
from pilothouse.model.quantity import QuantityError, parse
from pilothouse.platform.databases.mysql import versions
from pilothouse.platform.databases.mysql.objects import claims, sets
from pilothouse.platform.databases.mysql.parameters import check as parameters
from pilothouse.platform.databases.mysql.types import MySQLSpec

LEAST = {"memory": 128 << 20, "size": 300 << 20}
"""Bytes: below it no server starts, or its own files do not fit."""
_EXAMPLES = {"cpu": "500m (half a core) or 2", "memory": "512Mi or 2Gi", "size": "1Gi or 20Gi"}


def faults(instance: Object, spec: MySQLSpec) -> list[str]:
    """Every fault that the object has by itself, given what its status remembers."""
    found = [
        *_members(spec),
        *_amounts(spec),
        *_restore(spec),
        *_clients(spec),
        *_schedule(spec),
        *_version(spec, instance.get("status") or {}),
    ]
    found += parameters.faults(spec.flavour, spec.parameters)
    return [fault for fault in found if fault]


def against(spec: MySQLSpec, found: Mapping[str, Object], stateful_set: Object | None) -> list[str]:
    """Faults of a change: what cannot become of an instance that is there. found: its claims by name."""
    return [*_volumes(spec, found), *_flavour(spec, stateful_set)]


def quantity(kind: str, text: str) -> str:
    """kind: cpu, memory or size. A sentence, or "" when all is well."""
    try:
        amount = parse(text).amount
    except QuantityError:
        return f"{text!r} is no amount of {kind}: write {_EXAMPLES[kind]}"
    if amount <= 0:
        return f"{text!r} is no amount of {kind}: it must be more than nothing, such as {_EXAMPLES[kind]}"
    if amount < LEAST.get(kind, 0):
        amount_of = f"a volume of {text}" if kind == "size" else f"{text} of {kind}"
        return f"{amount_of} is too little for a server: at least {LEAST[kind] >> 20}Mi"
    return ""


def _members(spec: MySQLSpec) -> Iterator[str]:
    if spec.replicas == 0:
        yield 'replicas is 0: use 1, or 3 and more; "suspended: true" stops an instance and keeps its data'
    if spec.replicas == 2:
        yield "replicas is 2: when one of two is lost the other cannot know what it missed; use 1, or 3 and more"


def _amounts(spec: MySQLSpec) -> Iterator[str]:
    yield quantity("size", spec.size)
    yield quantity("cpu", spec.resources.cpu)
    yield quantity("memory", spec.resources.memory)


def _restore(spec: MySQLSpec) -> Iterator[str]:
    restore = spec.restore
    if restore is None:
        return
    if bool(restore.backup) == bool(restore.instance):
        yield "spec.restore needs exactly one of backup and instance"
    if restore.time and restore.gtid:
        yield "spec.restore has a time and a gtid: leave one out"


def _schedule(spec: MySQLSpec) -> Iterator[str]:
    try:
        if spec.backup.schedule:
            utc.parse(spec.backup.schedule)
    except utc.ScheduleError as error:
        yield f"spec.backup.schedule: {error}"


def _clients(spec: MySQLSpec) -> Iterator[str]:
    for client in (*spec.access.clients, *spec.access.metrics):
        if client.cidr is not None and (client.labels or client.namespace):
            yield f"a client has the cidr {client.cidr} and labels or a namespace: write two clients"
        if client.cidr is not None and not _is_cidr(client.cidr):
            yield f"{client.cidr!r} is no range of addresses: write one such as 10.1.0.0/16"


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text


def _version(spec: MySQLSpec, status: Object) -> Iterator[str]:
    if spec.version and spec.image:
        yield f"version is {spec.version} and image is {spec.image}, which has a version of its own: leave one out"
    yield versions.unknown(spec.flavour, spec.version)
    yield versions.fault(spec.flavour, versions.of_data(status), spec.version)


def _volumes(spec: MySQLSpec, found: Mapping[str, Object]) -> Iterator[str]:
    if not found or quantity("size", spec.size):
        return
    largest = max(found.values(), key=claims.requested)
    if parse(spec.size) < claims.requested(largest):
        size = claims.requested(largest)
        yield f"size {spec.size} is less than the {size} of volume {meta.name(largest)}, and a volume never shrinks: use {size} or more"
    used = {str(each["spec"].get("storageClassName") or "") for each in found.values()}
    if spec.storage_class is not None and used - {spec.storage_class, ""}:
        others = ", ".join(sorted(used - {spec.storage_class, ""}))
        yield f"storageClass is {spec.storage_class} and the volumes are of {others}: restore a backup into a new instance to change it"


def _flavour(spec: MySQLSpec, stateful_set: Object | None) -> Iterator[str]:
    running = sets.flavour(stateful_set)
    if running and running != spec.flavour:
        yield f"flavour is {spec.flavour} and the data are {running}'s: restore a logical backup into a new instance to change it"
