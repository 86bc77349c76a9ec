"""The StatefulSet of the members (pure).

Members start in parallel and are replaced by the operator alone (OnDelete), which knows whom it may take away.
"""

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names
from pilothouse.platform.databases.mysql.objects import claims, pods
from pilothouse.platform.databases.mysql.objects.pods import Server
from pilothouse.platform.databases.mysql.types import MySQLSpec


def stateful_set(instance: Object, spec: MySQLSpec, server: Server, replicas: int) -> Object:
    name = meta.name(instance)
    return _object(
        instance,
        {
            "replicas": replicas,
            "serviceName": names.members(name),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": labels.selector(name)},
            "template": pods.template(instance, spec, server),
            "volumeClaimTemplates": [_claim_template(instance, spec)],
        },
    )


def changed(wanted: Object) -> Object:
    """Without what a StatefulSet cannot change, for the one that exists."""
    kept = ("replicas", "template", "updateStrategy")
    return wanted | {"spec": {key: wanted["spec"][key] for key in kept}}


def scaled(instance: Object, replicas: int) -> Object:
    """Only the number of members, where nothing else is to change."""
    return _object(instance, {"replicas": replicas})


def _object(instance: Object, spec: Object) -> Object:
    return {
        "apiVersion": kinds.STATEFULSETS.api_version,
        "kind": kinds.STATEFULSETS.kind,
        "metadata": labels.metadata(instance, meta.name(instance)),
        "spec": spec,
    }


def _claim_template(instance: Object, spec: MySQLSpec) -> Object:
    """A claim is there before its pod, which finds it by its name. Who deletes one, since its node and volume are gone, may have the
    cluster make it anew by this before the operator does: that is the instance's, too.
    """
    claim = claims.claim(instance, spec, names.member(meta.name(instance), 0))
    kept = {key: claim["metadata"][key] for key in ("labels", "annotations")}
    return {"metadata": {"name": "data", **kept}, "spec": claim["spec"]}


def flavour(found: Object | None) -> str:
    """Of the StatefulSet that is there; "" when there is none."""
    containers = found["spec"]["template"]["spec"]["containers"] if found is not None else ()
    return next((str(env["value"]) for each in containers for env in each.get("env") or () if env["name"] == "FLAVOUR"), "")


def running_resources(found: Object) -> dict[str, str]:
    """What the members of the StatefulSet that is there are made with."""
    containers = found["spec"]["template"]["spec"]["containers"]
    limits: dict[str, str] = next(each["resources"]["limits"] for each in containers if each["name"] == pods.DATABASE)
    return limits
