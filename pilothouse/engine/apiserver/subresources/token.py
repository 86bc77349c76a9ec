"""serviceaccounts/token: a token for a service account, bound to a pod, a secret or a node if so asked."""

from pilothouse.engine.apiserver.answer import DocumentResponse
from pilothouse.engine.apiserver.authn.tokens import BINDABLE, BoundObject
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import typed_body
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.verbs.making import write_request
from pilothouse.engine.apiserver.write import storage
from pilothouse.model import meta
from pilothouse.model.errors import BadRequest, Cause, Conflict, Invalid, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from pilothouse.model.resource import Resource

TOKEN_REQUEST = Resource("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest")
_DEFINITION = "io.k8s.api.authentication.v1.TokenRequest"
_DEFAULT_S, _LEAST_S, _MOST_S = 3600, 600, 2**32


async def create(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    dry_run, strictness, _ = queries.write_options(request.query, "CreateOptions")
    wanted = await typed_body.read(
        request,
        TOKEN_REQUEST,
        schema=backend.schemas.schema(_DEFINITION),
        table=backend.table,
        strictness=strictness,
        beside=backend.beside,
    )
    write = write_request(request, served, dry_run=dry_run).attempt("CREATE", wanted, None)
    await backend.admission.mutate(write)
    account = storage.existing(backend.store, served, request.namespace, request.name).value["metadata"]
    wanted = write.new()
    spec, lifetime_s = wanted.get("spec") or {}, _lifetime_s(wanted)
    _check(request, wanted, lifetime_s)
    await backend.admission.validate(write)
    bound, node = _bound(backend, request, spec.get("boundObjectRef"))
    audiences = spec.get("audiences") or [backend.tokens.issuer]
    token, ends = backend.tokens.issue(request.namespace, account, audiences, lifetime_s, bound, node)
    kept = {key: account[key] for key in ("name", "namespace", "uid") if key in account}
    return DocumentResponse(
        {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": kept | {"creationTimestamp": backend.timestamp()},
            "spec": {"audiences": audiences, "expirationSeconds": lifetime_s, "boundObjectRef": spec.get("boundObjectRef")},
            "status": {"token": token, "expirationTimestamp": meta.rfc3339(ends)},
        },
        201,
    )


def _lifetime_s(wanted: Object) -> int:
    stated: int | None = (wanted.get("spec") or {}).get("expirationSeconds")
    return _DEFAULT_S if stated is None else stated


def _check(request: ApiRequest, wanted: Object, lifetime_s: int) -> None:
    metadata, group = wanted["metadata"], TOKEN_REQUEST.group
    for field, own, stated in (("name", request.name, metadata.get("name")), ("namespace", request.namespace, metadata.get("namespace"))):
        if stated and stated != own:
            text = f'Invalid value: "{stated}": must match the service account {field} if specified'
            raise Invalid.of("TokenRequest", request.name, [Cause(f"metadata.{field}", "FieldValueInvalid", text)], group)
    problem = ""
    if lifetime_s < _LEAST_S:
        problem = "may not specify a duration less than 10 minutes"
    elif lifetime_s > _MOST_S:
        problem = "may not specify a duration larger than 2^32 seconds"
    if problem:
        cause = Cause("spec.expirationSeconds", "FieldValueInvalid", f"Invalid value: {lifetime_s}: {problem}")
        raise Invalid.of("TokenRequest", "", [cause], group)


def _bound(backend: Backend, request: ApiRequest, reference: Object | None) -> tuple[BoundObject | None, BoundObject | None]:
    """What the token is bound to, and the node of the pod it is bound to."""
    if reference is None:
        return None, None
    kind, name = reference.get("kind", ""), reference.get("name", "")
    group, _, version = reference.get("apiVersion", "").rpartition("/")
    resource = BINDABLE.get(kind)
    if resource is None or (group, version) != ("", "v1"):
        raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    found = Objects(backend.store).get(resource, request.namespace if resource.namespaced else "", name)
    if found is None:
        raise NotFound.of(resource.plural, name)
    uid = found["metadata"]["uid"]
    if reference.get("uid") and reference["uid"] != uid:
        why = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
        raise Conflict.of(kind, name, why + "The object might have been deleted and then recreated")
    return BoundObject(kind, name, uid), _node_of(backend, request, kind, found)


def _node_of(backend: Backend, request: ApiRequest, kind: str, pod: Object) -> BoundObject | None:
    if kind != "Pod":
        return None
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName") != request.name:
        raise BadRequest(f'cannot bind token for serviceaccount "{request.name}" to pod running with different serviceaccount name.')
    node = Objects(backend.store).get(NODES, "", spec["nodeName"]) if spec.get("nodeName") else None
    return None if node is None else BoundObject("Node", spec["nodeName"], node["metadata"]["uid"])
