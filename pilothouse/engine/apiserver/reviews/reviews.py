"""Reviews: questions to authentication and authorization that are asked as API objects and never stored.

Source: kubernetes pkg/registry/authorization, pkg/registry/authentication and their validation.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from pilothouse.engine.apiserver.answer import DocumentResponse
from pilothouse.engine.apiserver.authn.jwt import BadToken
from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import typed_body
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.reviews.rules import check_selectors, rules_status, selected_fields
from pilothouse.model.errors import BadRequest, Cause, Invalid
from pilothouse.model.json import Object

_AUTHORIZATION, _AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
_BY_THE_SERVER = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink", "uid")
Review = Callable[[Backend, ApiRequest, ServedResource], Awaitable[DocumentResponse]]


async def _body(backend: Backend, request: ApiRequest, served: ServedResource) -> Object:
    strictness = queries.write_options(request.query, "CreateOptions").strictness
    body = await typed_body.read(
        request,
        served.resource,
        schema=backend.schemas.schema(served.kind.definition),
        table=backend.table,
        strictness=strictness,
        beside=backend.beside,
    )
    if not served.resource.namespaced:
        body["metadata"].pop("namespace", None)
    return body


def _answer(served: ServedResource, body: Object, status: Object) -> DocumentResponse:
    resource = served.resource
    head = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": body.get("metadata") or {}}
    return DocumentResponse(head | ({"spec": body.get("spec") or {}}) | {"status": status}, 201)


def _wrong_question(spec: Object) -> list[Cause]:
    """What is wrong unless the spec asks exactly one thing."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        return [field.invalid("spec.nonResourceAttributes", _shown(path), "cannot be specified in combination with resourceAttributes")]
    if resource is None and path is None:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [field.invalid("spec.resourceAttributes", None, detail)]
    return []


def _shown(path: Object) -> Object:
    return {"Path": path.get("path", ""), "Verb": path.get("verb", "")}


def _nobody(spec: Object) -> list[Cause]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [field.invalid("spec.user", "", "at least one of user or group must be specified")]


def _wrong_metadata(body: Object, detail: str, *allowed: str) -> list[Cause]:
    """A review is nobody's object; what the server sets by itself is passed over."""
    metadata = {name: value for name, value in body["metadata"].items() if value and name not in (*_BY_THE_SERVER, *allowed)}
    return [field.invalid("metadata", metadata, detail)] if metadata else []


def _check(causes: list[Cause]) -> None:
    if causes:
        raise Invalid.of("", "", causes, _AUTHORIZATION)


def _question(spec: Object, user: User) -> Attributes:
    """Of a spec that has been checked."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None:
        asked: Object = path or {}
        return Attributes(user, asked.get("verb", ""), path=asked.get("path", ""))
    return Attributes(
        user,
        resource.get("verb", ""),
        resource.get("namespace", ""),
        resource.get("group", ""),
        resource.get("resource", ""),
        resource.get("subresource", ""),
        resource.get("name", ""),
        fields=selected_fields(resource.get("fieldSelector") or {}),
    )


def _decision(backend: Backend, asked: Attributes) -> Object:
    allowed, reason = backend.authorizer.decide(asked)
    return {"allowed": allowed} | ({"reason": reason} if reason else {})


def _named_user(spec: Object) -> User:
    return User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), spec.get("extra") or {})


def _wrong_spec(spec: Object) -> list[Cause]:
    return _wrong_question(spec) + _nobody(spec) + check_selectors(spec.get("resourceAttributes") or {})


async def subject_access(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = await _body(backend, request, served)
    spec = body.get("spec") or {}
    _check(_wrong_spec(spec) + _wrong_metadata(body, "must be empty"))
    return _answer(served, body, _decision(backend, _question(spec, _named_user(spec))))


async def local_subject_access(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = await _body(backend, request, served)
    spec = body.get("spec") or {}
    stated = body["metadata"].get("namespace")
    if stated and stated != request.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    _check(
        _wrong_spec(spec) + _wrong_metadata(body, "must be empty except for namespace", "namespace") + _elsewhere(spec, request.namespace)
    )
    body["metadata"]["namespace"] = request.namespace
    return _answer(served, body, _decision(backend, _question(spec, _named_user(spec))))


def _elsewhere(spec: Object, namespace: str) -> list[Cause]:
    """A local review is about what is in its namespace."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    causes: list[Cause] = []
    if resource is not None and (asked := resource.get("namespace", "")) != namespace:
        causes.append(field.invalid("spec.resourceAttributes.namespace", asked, "must match metadata.namespace"))
    if path is not None:
        causes.append(field.invalid("spec.nonResourceAttributes", _shown(path), "disallowed on this kind of request"))
    return causes


async def self_subject_access(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = await _body(backend, request, served)
    spec = body.get("spec") or {}
    causes = _wrong_question(spec) + check_selectors(spec.get("resourceAttributes") or {})
    _check(causes + _wrong_metadata(body, "must be empty"))
    return _answer(served, body, _decision(backend, _question(spec, request.user)))


async def self_subject_rules(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = await _body(backend, request, served)
    namespace = (body.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise BadRequest("no namespace on request")
    answer = _answer(served, body, rules_status(backend.authorizer.rbac, request.user, namespace))
    answer.value["spec"] = {}
    return answer


async def self_subject(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    await _body(backend, request, served)
    resource = served.resource
    value = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"creationTimestamp": backend.timestamp()},
        "status": {"userInfo": request.user.to_info()},
    }
    return DocumentResponse(value, 201)


async def token(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = await _body(backend, request, served)
    spec = body.get("spec") or {}
    if not spec.get("token"):
        raise BadRequest("token is required for TokenReview in authentication")
    status: dict[str, Any]
    try:
        user, audiences = backend.tokens.user(spec["token"], spec.get("audiences"))
        status = {"authenticated": True, "user": user.to_info(), "audiences": audiences}
    except BadToken as error:
        status = {"user": {}, "error": _why_invalid(error)}
    return _answer(served, body, status)


def _why_invalid(error: BadToken) -> str:
    """Only what is wrong with the audiences is told; anything else would help to forge a token."""
    text = str(error)
    return f"[invalid bearer token, {text}]" if "audiences" in text else "invalid bearer token"


REVIEWS: dict[str, Review] = {
    f"subjectaccessreviews.{_AUTHORIZATION}": subject_access,
    f"localsubjectaccessreviews.{_AUTHORIZATION}": local_subject_access,
    f"selfsubjectaccessreviews.{_AUTHORIZATION}": self_subject_access,
    f"selfsubjectrulesreviews.{_AUTHORIZATION}": self_subject_rules,
    f"selfsubjectreviews.{_AUTHENTICATION}": self_subject,
    f"tokenreviews.{_AUTHENTICATION}": token,
}
