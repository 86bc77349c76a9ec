"""DeleteOptions, from the body or the query of a delete.

Where there is a body, the query counts for nothing. Unknown fields and an unknown version of the options are passed over; another kind
is 400, a bad value 422.
"""

from typing import Any

from pilothouse.engine.apiserver.request import body as bodies
from pilothouse.engine.apiserver.request import decode
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request.body import Unparsable
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.write.deletion import Options
from pilothouse.model.errors import BadRequest, Cause, echo
from pilothouse.model.json import Object
from pilothouse.model.kinds import JOBS

_KIND = "DeleteOptions"
_POLICIES = ("Foreground", "Background", "Orphan")


def read(request: ApiRequest) -> Options:
    """Raises BadRequest, Invalid, RequestTooLarge."""
    if request.too_large:
        raise bodies.too_large()
    return of(_from_body(request.body, request) if request.body else _from_query(request))


def of(stated: Object) -> Options:
    """Raises Invalid, with all that is wrong with the options."""
    policy, orphans, dry_run = stated.get("propagationPolicy"), stated.get("orphanDependents"), stated.get("dryRun") or []
    if causes := _wrong_policy(policy, orphans) + queries.wrong_dry_run(dry_run):
        raise queries.invalid_options(_KIND, causes)
    grace_s, preconditions = stated.get("gracePeriodSeconds"), stated.get("preconditions") or {}
    return Options(
        None if grace_s is None else (grace_s if grace_s >= 0 else 1),
        preconditions.get("uid"),
        preconditions.get("resourceVersion"),
        policy if orphans is None else "Orphan" if orphans else "Background",
        bool(dry_run),
        orphans,
    )


def _wrong_policy(policy: str | None, orphans: bool | None) -> list[Cause]:
    causes: list[Cause] = []
    path = "propagationPolicy"
    if policy is not None and orphans is not None:
        text = f'Invalid value: "{echo(policy)}": orphanDependents and deletionPropagation cannot be both set'
        causes.append(Cause(path, "FieldValueInvalid", text))
    if policy is not None and policy not in _POLICIES:
        supported = ", ".join(f'"{one}"' for one in (*_POLICIES, "nil"))
        text = f'Unsupported value: "{echo(policy)}": supported values: {supported}'
        causes.append(Cause(path, "FieldValueNotSupported", text))
    return causes


def warn_of_orphans(request: ApiRequest, served: ServedResource, options: Options) -> None:
    """Of what the deletion of a Job leaves behind when the client does not say so. Of ReplicationControllers upstream says nothing."""
    if options.policy is None and served.resource.group_resource == JOBS.group_resource:
        what = f"what a {served.resource.kind} has made stays when it is deleted"
        request.warn(f"{what}; use propagationPolicy=Background to delete it too, or propagationPolicy=Orphan to say that it is to stay")


def _from_body(body: Any, request: ApiRequest) -> Object:
    media = bodies.media_type(request.content_type)
    try:
        found = bodies.of_request(request, media)
    except Unparsable as error:
        why = f"couldn't get version/kind; json parse error: {error.message}" if error.is_syntax else error.message
        raise bodies.unrecognized(_KIND, why, body) from error
    _, kind = decode.stated_type(found, _KIND)
    if kind and kind != _KIND:
        raise BadRequest(f'{kind} in version "v1" cannot be handled as a {_KIND}: no kind "{kind}" is registered')
    stated: Object = found.value or {}
    _check_types(stated)
    return stated


_TYPES: dict[str, tuple[type, str]] = {
    "gracePeriodSeconds": (int, "int64"),
    "orphanDependents": (bool, "bool"),
    "propagationPolicy": (str, "v1.DeletionPropagation"),
    "preconditions": (dict, "v1.Preconditions"),
    "dryRun": (list, "[]string"),
}


def _check_types(stated: Object) -> None:
    for name, (wanted, go_type) in _TYPES.items():
        value = stated.get(name)
        if value is None:
            continue
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            what = decode.go_name(value)
            why = f"json: cannot unmarshal {what} into Go struct field {_KIND}.{name} of type {go_type}"
            raise BadRequest(f'{_KIND} in version "v1" cannot be handled as a {_KIND}: {why}')


def _from_query(request: ApiRequest) -> Object:
    stated: Object = {}
    if (grace_s := queries.integer(request.query, "gracePeriodSeconds")) is not None:
        stated["gracePeriodSeconds"] = grace_s
    if "orphanDependents" in request.query:
        stated["orphanDependents"] = queries.boolean(request.query, "orphanDependents")
    if policy := request.option("propagationPolicy"):
        stated["propagationPolicy"] = policy
    asked = {"uid": request.option("uid"), "resourceVersion": request.option("resourceVersion")}
    if preconditions := {name: value for name, value in asked.items() if value}:
        stated["preconditions"] = preconditions
    if "dryRun" in request.query:
        stated["dryRun"] = request.query["dryRun"]
    return stated
