"""Asking whether somebody may do something. Source: apiserver/pkg/cel/library/authz.go.

Expressions build a question step by step; `check` puts it to the authorizer of the evaluation that is going on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.model import names
from pilothouse.model.cel.functions.declare import T, method
from pilothouse.model.cel.messages import AUTHORIZER, DECISION, GROUP_CHECK, PATH_CHECK, RESOURCE_CHECK, changed, make, type_of


@dataclass(frozen=True, slots=True)
class Question:
    """May it be done? account: (namespace, name) of a service account that is asked about, None for the request's user.

    path: of a URL that is no resource, "" for a resource. field_selector, label_selector: as the expression states them.
    """

    verb: str
    account: tuple[str, str] | None = None
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """error: why there is none, "" when there is one."""

    allowed: bool
    reason: str = ""
    error: str = ""


class Authorizer(Protocol):
    def decide(self, question: Question) -> Decision: ...


_asked: ContextVar[Authorizer] = ContextVar("authorizer")


@contextmanager
def asking(authorizer: Authorizer) -> Iterator[None]:
    """Questions of an evaluation in this context are put to the authorizer."""
    token = _asked.set(authorizer)
    try:
        yield
    finally:
        _asked.reset(token)


_AUTHORIZER, _PATH, _GROUP, _RESOURCE, _DECISION = map(type_of, (AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION))


def _path(authorizer: Any, path: str) -> Any:
    return make(PATH_CHECK, account=authorizer.account, path=_given(path, "path"))


def _resource(check: Any, resource: str) -> Any:
    return make(RESOURCE_CHECK, account=check.account, group=check.group, resource=_given(resource, "resource"))


def _given(text: str, what: str) -> str:
    if not text.strip():
        raise ValueError(f"{what} must not be empty")
    return text


def _account(authorizer: Any, namespace: str, name: str) -> Any:
    if names.dns1123_subdomain(name):
        raise ValueError("Invalid service account name")
    if names.dns1123_label(namespace):
        raise ValueError("Invalid service account namespace")
    return make(AUTHORIZER, account=f"{namespace}:{name}")


def _check_path(check: Any, verb: str) -> Any:
    return _decided(Question(verb, _account_of(check), path=check.path))


def _check_resource(check: Any, verb: str) -> Any:
    return _decided(
        Question(
            verb,
            _account_of(check),
            "",
            check.group,
            check.resource,
            check.subresource,
            check.namespace,
            check.name,
            check.fields,
            check.labels,
        )
    )


def _account_of(check: Any) -> tuple[str, str] | None:
    namespace, _, name = check.account.partition(":")
    return (namespace, name) if name else None


def _decided(question: Question) -> Any:
    decision = _asked.get().decide(question)
    return make(DECISION, allowed="yes" if decision.allowed else "", reason=decision.reason, error=decision.error)


def request_resource(group: str, resource: str, subresource: str, namespace: str, name: str) -> Any:
    """The check of what the request is about."""
    return make(RESOURCE_CHECK, group=group, resource=resource, subresource=subresource, namespace=namespace, name=name)


def _narrowed(field: str) -> Any:
    return method(
        {"fields": "fieldSelector", "labels": "labelSelector"}.get(field, field),
        (_RESOURCE, (_RESOURCE, T.STRING), lambda check, text: changed(check, **{field: text})),
    )


AUTHORIZATION = (
    method("path", (_PATH, (_AUTHORIZER, T.STRING), _path)),
    method("group", (_GROUP, (_AUTHORIZER, T.STRING), lambda value, group: make(GROUP_CHECK, account=value.account, group=group))),
    method("serviceAccount", (_AUTHORIZER, (_AUTHORIZER, T.STRING, T.STRING), _account)),
    method("resource", (_RESOURCE, (_GROUP, T.STRING), _resource)),
    *(_narrowed(field) for field in ("subresource", "namespace", "name", "fields", "labels")),
    method("check", (_DECISION, (_PATH, T.STRING), _check_path), (_DECISION, (_RESOURCE, T.STRING), _check_resource)),
    method("allowed", (T.BOOL, (_DECISION,), lambda decision: bool(decision.allowed))),
    method("reason", (T.STRING, (_DECISION,), lambda decision: decision.reason)),
    method("errored", (T.BOOL, (_DECISION,), lambda decision: bool(decision.error))),
    method("error", (T.STRING, (_DECISION,), lambda decision: decision.error)),
)
