"""A small, valid object of each kind that clients can change, for requests to be about."""

from base64 import b64encode
from collections.abc import Mapping

from pilothouse.model.json import Object
from tests.csr import csr, request

_TEMPLATE: Object = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
_SELECTED: Object = {"selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE}
_RULE: Object = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
_SUBJECT: Object = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
_HOOK: Object = {
    "name": "it.example.com",
    "clientConfig": {"url": "https://127.0.0.1:1/"},
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "failurePolicy": "Ignore",
    "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothing"]}],
}


def _role_of(kind: str) -> Object:
    return {"subjects": [_SUBJECT], "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "it"}}


def definition(plural: str, kind: str, schema: Object, **version: object) -> Object:
    """A CustomResourceDefinition in example.com."""
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    served = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [served]}
    return {"metadata": {"name": f"{plural}.example.com"}, "spec": spec}


def _named(name: str = "it", **fields: object) -> Object:
    return {"metadata": {"name": name}, **fields}


SMALL: Mapping[str, Object] = {
    "pods": _named(spec=_TEMPLATE["spec"]),
    "services": _named(spec={"ports": [{"port": 80}], "clusterIP": "None"}),
    "namespaces": _named(),
    "nodes": _named(),
    "configmaps": _named(),
    "secrets": _named(),
    "serviceaccounts": _named(),
    "events": _named(involvedObject={"namespace": "default"}),
    "endpoints": _named(),
    "resourcequotas": _named(),
    "limitranges": _named(),
    "podtemplates": _named(template=_TEMPLATE),
    "deployments.apps": _named(spec=_SELECTED),
    "replicasets.apps": _named(spec=_SELECTED),
    "statefulsets.apps": _named(spec=_SELECTED),
    "daemonsets.apps": _named(spec=_SELECTED),
    "controllerrevisions.apps": _named(revision=1, data={}),
    "jobs.batch": _named(spec={"template": {"spec": {**_TEMPLATE["spec"], "restartPolicy": "Never"}}}),
    "ingresses.networking.k8s.io": _named(spec={"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}),
    "ingressclasses.networking.k8s.io": _named(spec={"controller": "example.com/it"}),
    "servicecidrs.networking.k8s.io": _named(spec={"cidrs": ["10.99.0.0/24"]}),
    "ipaddresses.networking.k8s.io": _named("10.99.0.1", spec={"parentRef": {"resource": "services", "namespace": "default", "name": "a"}}),
    "endpointslices.discovery.k8s.io": _named(addressType="IPv4", endpoints=[]),
    "leases.coordination.k8s.io": _named(spec={}),
    "events.events.k8s.io": _named(
        eventTime="2026-01-01T00:00:00.000000Z",
        reportingController="example.com/it",
        reportingInstance="it",
        action="a",
        reason="r",
        type="Normal",
        regarding={"namespace": "default"},
    ),
    "priorityclasses.scheduling.k8s.io": _named(value=1),
    "runtimeclasses.node.k8s.io": _named(handler="it"),
    "certificatesigningrequests.certificates.k8s.io": csr("it", request("jane", "team")),
    "roles.rbac.authorization.k8s.io": _named(rules=[_RULE]),
    "rolebindings.rbac.authorization.k8s.io": _named(**_role_of("Role")),
    "clusterroles.rbac.authorization.k8s.io": _named(rules=[_RULE]),
    "clusterrolebindings.rbac.authorization.k8s.io": _named(**_role_of("ClusterRole")),
    "customresourcedefinitions.apiextensions.k8s.io": definition("its", "It", {"type": "object"}),
    "apiservices.apiregistration.k8s.io": _named(
        "v1.none.example.com",
        spec={"group": "none.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1},
    ),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _named(webhooks=[_HOOK]),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _named(webhooks=[_HOOK]),
    "opens.example.com": _named(apiVersion="example.com/v1", kind="Open"),
}


def bytes_of(text: str) -> str:
    """As fields of bytes have it."""
    return b64encode(text.encode()).decode()
