"""Labels, annotations and metadata of what belongs to an instance (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import MYSQLS

NAME = "app.kubernetes.io/name"
MANAGER = "app.kubernetes.io/managed-by"
INSTANCE = "databases.pilothouse.dev/instance"
ROLE = "databases.pilothouse.dev/role"
"""Of pods: `primary` or `replica`. The Service INSTANCE leads to the primary."""
READABLE = "databases.pilothouse.dev/readable"
"""Of pods, `yes`: the Service INSTANCE-read leads to them."""
JOB = "databases.pilothouse.dev/job"
"""Of the pods of Jobs that work for the instance it names: they may connect."""
FINAL = "databases.pilothouse.dev/final"
"""Of the backup that is taken before an instance goes."""
UID = "databases.pilothouse.dev/instance-uid"
"""Annotation of a claim: whose data it has. Another instance of the same name does not take it."""
STATE = "databases.pilothouse.dev/state"
"""Annotation of the pod template: differs when a member has to be made anew to be as it is wanted."""
RESTARTED = "databases.pilothouse.dev/restarted-at"
FINALIZER = "databases.pilothouse.dev/instance"


def selector(instance: str) -> dict[str, str]:
    return {INSTANCE: instance}


def labels(instance: str) -> dict[str, str]:
    return {NAME: instance, MANAGER: "pilothouse", **selector(instance)}


def metadata(instance: Object, name: str) -> Object:
    """Of an object that goes when the instance does."""
    return {
        "name": name,
        "namespace": meta.namespace(instance),
        "labels": labels(meta.name(instance)),
        "ownerReferences": [meta.owner_reference(instance, MYSQLS.api_version, MYSQLS.kind)],
    }
