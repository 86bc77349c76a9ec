"""What lies below an object in the URL space, as data: which verbs it knows, what it answers with, how long it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Subresource:
    """verbs: in the order in which discovery shows them.

    answers: group, version and kind of what goes in and out, None for the object itself. definition: that kind's schema, where it has one.
    streams: the answer takes as long as its client wants. connects: it is a session that admission sees as a CONNECT.
    parameters: of its queries, beside those that its verbs have anyway. part: the one part of the object that is written through it, a
    field of the object (its metadata is written as well) or one field of its spec; "" where that is no such part.
    more_methods: of HTTP, beside those of its verbs. has_paths: whatever is below it belongs to it.
    """

    name: str
    verbs: tuple[str, ...]
    answers: tuple[str, str, str] | None = None
    definition: str = ""
    streams: bool = False
    connects: bool = False
    parameters: tuple[str, ...] = ()
    part: str = ""
    more_methods: tuple[str, ...] = ()
    has_paths: bool = False


_SESSION = ("container", "stderr", "stdin", "stdout", "tty")
_LOG = (
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "stream",
    "tailLines",
    "timestamps",
)
_READ_AND_WRITE = ("get", "patch", "update")

STATUS = Subresource("status", _READ_AND_WRITE, part="status")
APPROVAL = Subresource("approval", _READ_AND_WRITE, part="status")
EPHEMERAL_CONTAINERS = Subresource("ephemeralcontainers", _READ_AND_WRITE, part="spec.ephemeralContainers")
RESIZE = Subresource("resize", _READ_AND_WRITE)
SCALE = Subresource("scale", _READ_AND_WRITE, ("autoscaling", "v1", "Scale"), "io.k8s.api.autoscaling.v1.Scale")
FINALIZE = Subresource("finalize", ("update",))
BINDING = Subresource("binding", ("create",), ("", "", "Binding"), "io.k8s.api.core.v1.Binding")
EVICTION = Subresource("eviction", ("create",), ("policy", "v1", "Eviction"), "io.k8s.api.policy.v1.Eviction")
TOKEN = Subresource("token", ("create",), ("authentication.k8s.io", "v1", "TokenRequest"), "io.k8s.api.authentication.v1.TokenRequest")
LOG = Subresource("log", ("get",), streams=True, parameters=_LOG)
EXEC = Subresource("exec", ("create", "get"), ("", "", "PodExecOptions"), streams=True, connects=True, parameters=("command", *_SESSION))
ATTACH = Subresource("attach", ("create", "get"), ("", "", "PodAttachOptions"), streams=True, connects=True, parameters=_SESSION)
PORTFORWARD = Subresource(
    "portforward", ("create", "get"), ("", "", "PodPortForwardOptions"), streams=True, connects=True, parameters=("ports",)
)
PROXY = Subresource(
    "proxy",
    ("create", "delete", "get", "patch", "update"),
    ("", "", "NodeProxyOptions"),
    streams=True,
    connects=True,
    parameters=("path",),
    more_methods=("HEAD", "OPTIONS"),
    has_paths=True,
)

BY_NAME: Mapping[str, Subresource] = {
    each.name: each
    for each in (
        *(STATUS, APPROVAL, EPHEMERAL_CONTAINERS, RESIZE, SCALE, FINALIZE, BINDING, EVICTION, TOKEN),
        *(LOG, EXEC, ATTACH, PORTFORWARD, PROXY),
    )
}
"""All that any kind has; a kind has those that its resource names."""


def of_resource(kind: str, name: str) -> Subresource:
    """A subresource as a kind has it: what is asked of a proxy is of a kind for each."""
    found = BY_NAME[name]
    return replace(found, answers=("", "", f"{kind}ProxyOptions")) if found is PROXY else found
