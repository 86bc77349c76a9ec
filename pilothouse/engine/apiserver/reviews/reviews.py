"""Reviews: questions to authentication and authorization that are asked as API objects and never stored.

Source: kubernetes pkg/registry/authorization, pkg/registry/authentication and their validation.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from pilothouse.engine.apiserver.answer import DocumentResponse
from pilothouse.engine.apiserver.authn.jwt import BadToken
from pilothouse.engine.apiserver.authz.attributes import Attributes
from pilothouse.engine.apiserver.backend import Backend
from pilothouse.engine.apiserver.identity import User
from pilothouse.engine.apiserver.request import query as queries
from pilothouse.engine.apiserver.request import typed_body
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.engine.apiserver.reviews.rules import check_selectors, rules_status, selected_fields
from pilothouse.model.errors import BadRequest, Cause, Invalid
from pilothouse.model.json import Object

_AUTHORIZATION, _AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
Review = Callable[[Backend, ApiRequest, ServedResource], Awaitable[DocumentResponse]]


def _body(backend: Backend, request: ApiRequest, served: ServedResource) -> Object:
    queries.dry_run(request.query, "CreateOptions")
    return typed_body.read(request, served.resource, backend.schemas.schema(served.kind.definition), backend.table)


def _answer(served: ServedResource, body: Object, status: Object) -> DocumentResponse:
    resource = served.resource
    head = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": body.get("metadata") or {}}
    return DocumentResponse(head | ({"spec": body.get("spec") or {}}) | {"status": status}, 201)


def _invalid(field: str, text: str, reason: str = "FieldValueInvalid") -> Invalid:
    return Invalid.of("", "", [Cause(field, reason, text)], _AUTHORIZATION)


def _question(spec: Object, user: User) -> Attributes:
    """Raises Invalid unless the spec asks exactly one thing."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        shown = f'{{"Path":"{path.get("path", "")}","Verb":"{path.get("verb", "")}"}}'
        raise _invalid("spec.nonResourceAttributes", f"Invalid value: {shown}: cannot be specified in combination with resourceAttributes")
    if resource is None and path is None:
        raise _invalid(
            "spec.resourceAttributes",
            "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
    if resource is None:
        asked: Object = path or {}
        return Attributes(user, asked.get("verb", ""), path=asked.get("path", ""))
    causes = check_selectors(resource)
    if causes:
        raise Invalid.of("", "", causes, _AUTHORIZATION)
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
    """Raises Invalid when the review asks about nobody."""
    if not spec.get("user") and not spec.get("groups"):
        raise _invalid("spec.user", 'Invalid value: "": at least one of user or group must be specified')
    return User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), spec.get("extra") or {})


async def subject_access(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = _body(backend, request, served)
    spec = body.get("spec") or {}
    asked = _question(spec, User(""))
    user = _named_user(spec)
    return _answer(served, body, _decision(backend, _of(asked, user)))


def _of(asked: Attributes, user: User) -> Attributes:
    return replace(asked, user=user)


async def local_subject_access(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = _body(backend, request, served)
    spec = body.get("spec") or {}
    stated = body["metadata"].get("namespace")
    if stated and stated != request.namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    asked = _question(spec, User(""))
    user = _named_user(spec)
    if asked.path:
        raise _invalid("spec.nonResourceAttributes", "Invalid value: disallowed on this kind of request")
    if asked.namespace != request.namespace:
        raise _invalid("spec.resourceAttributes.namespace", f'Invalid value: "{asked.namespace}": must match metadata.namespace')
    body["metadata"]["namespace"] = request.namespace
    return _answer(served, body, _decision(backend, _of(asked, user)))


async def self_subject_access(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = _body(backend, request, served)
    return _answer(served, body, _decision(backend, _question(body.get("spec") or {}, request.user)))


async def self_subject_rules(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = _body(backend, request, served)
    namespace = (body.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise BadRequest("no namespace on request")
    answer = _answer(served, body, rules_status(backend.authorizer.rbac, request.user, namespace))
    answer.value["spec"] = {}
    return answer


async def self_subject(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    _body(backend, request, served)
    resource = served.resource
    value = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"creationTimestamp": backend.timestamp()},
        "status": {"userInfo": request.user.to_info()},
    }
    return DocumentResponse(value, 201)


async def token(backend: Backend, request: ApiRequest, served: ServedResource) -> DocumentResponse:
    body = _body(backend, request, served)
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
