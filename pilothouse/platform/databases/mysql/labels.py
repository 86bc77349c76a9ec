"""Labels, annotations and metadata of what belongs to an instance (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object

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
"""Annotation of all that is an instance's. Another instance of the same name does not take it."""
STATE = "databases.pilothouse.dev/state"
"""Annotation of the pod template: differs when a member has to be made anew to be as it is wanted."""
RESTARTED = "databases.pilothouse.dev/restarted-at"
FINALIZER = "databases.pilothouse.dev/instance"


def selector(instance: str) -> dict[str, str]:
    return {INSTANCE: instance}


def labels(instance: str) -> dict[str, str]:
    return {NAME: instance, MANAGER: "pilothouse", **selector(instance)}


def metadata(instance: Object, name: str) -> Object:
    """Of an object that is the instance's.

    It has no owner reference: the cluster would take it away, keys and pods included, as soon as somebody deletes an instance in the
    foreground, though that is protected or has a last backup to take. The operator removes it, by the finalizer.
    """
    return {
        "name": name,
        "namespace": meta.namespace(instance),
        "labels": labels(meta.name(instance)),
        "annotations": {UID: meta.uid(instance)},
    }


def is_of(instance: Object, obj: Object) -> bool:
    return meta.annotations(obj).get(UID) == meta.uid(instance)
