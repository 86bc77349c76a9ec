"""Objects that are valid, by the path of their collection: what the drawn ones begin from."""

from typing import Any

from pilothouse.model.json import Object

CONTAINER: Object = {
    "name": "c",
    "image": "img:1",
    "command": ["run"],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    "ports": [{"containerPort": 80, "name": "http"}],
    "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 3},
    "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
}
POD: Object = {
    "containers": [CONTAINER],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "x", "items": [{"key": "k", "path": "p"}]}}],
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
    "nodeSelector": {"a": "b"},
    "automountServiceAccountToken": False,
}
LABELS: Object = {"a": "b"}
TEMPLATE: Object = {"metadata": {"labels": LABELS}, "spec": POD}
ENDED: Object = {"metadata": {}, "spec": POD | {"restartPolicy": "Never"}}
RULES: list[Object] = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
SUBJECT: Object = {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}
ROLE: Object = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
BACKEND: Object = {"service": {"name": "s", "port": {"number": 80}}}
HOOK: Object = {
    "name": "h.example.com",
    "clientConfig": {"url": "https://example.com/"},
    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothing"]}],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
CORE, NAMESPACE = "/api/v1", "/api/v1/namespaces/default"
OBJECTS: dict[str, Object] = {
    f"{NAMESPACE}/configmaps": {"data": {"a": "b"}, "binaryData": {"c": "AAEC"}},
    f"{NAMESPACE}/secrets": {"data": {"a": "Yg=="}, "stringData": {"c": "d"}},
    f"{NAMESPACE}/pods": {"spec": POD},
    f"{NAMESPACE}/podtemplates": {"template": TEMPLATE},
    f"{NAMESPACE}/replicationcontrollers": {"spec": {"selector": LABELS, "template": TEMPLATE}},
    f"{NAMESPACE}/services": {"spec": {"selector": LABELS, "ports": [{"name": "x", "port": 80, "targetPort": "http"}]}},
    f"{NAMESPACE}/serviceaccounts": {"imagePullSecrets": [{"name": "x"}], "secrets": [{"name": "z"}]},
    f"{NAMESPACE}/endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80, "name": "x"}]}]},
    f"{NAMESPACE}/limitranges": {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "100"}, "min": {"memory": "1Ki"}}]}},
    f"{NAMESPACE}/events": {
        "involvedObject": {"namespace": "default", "name": "x", "kind": "Pod"},
        "reason": "R",
        "message": "m",
        "type": "Normal",
        "firstTimestamp": "2026-01-01T00:00:00Z",
    },
    f"{CORE}/nodes": {"spec": {"podCIDR": "10.9.0.0/24", "taints": [{"key": "k", "effect": "NoSchedule"}]}},
    "/apis/apps/v1/namespaces/default/deployments": {"spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}},
    "/apis/apps/v1/namespaces/default/replicasets": {"spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}},
    "/apis/apps/v1/namespaces/default/statefulsets": {
        "spec": {"selector": {"matchLabels": LABELS}, "serviceName": "s", "template": TEMPLATE}
    },
    "/apis/apps/v1/namespaces/default/daemonsets": {"spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}},
    "/apis/apps/v1/namespaces/default/controllerrevisions": {"revision": 1, "data": {"x": {"z": [1, 2.5, None]}}},
    "/apis/batch/v1/namespaces/default/jobs": {"spec": {"suspend": True, "template": ENDED}},
    "/apis/batch/v1/namespaces/default/cronjobs": {
        "spec": {"schedule": "0 0 1 1 *", "timeZone": "Etc/UTC", "suspend": True, "jobTemplate": {"spec": {"template": ENDED}}}
    },
    "/apis/coordination.k8s.io/v1/namespaces/default/leases": {
        "spec": {"holderIdentity": "h", "leaseDurationSeconds": 30, "renewTime": "2026-01-01T00:00:00.000000Z"}
    },
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}, "nodeName": "n1"}],
        "ports": [{"port": 80, "name": "x", "protocol": "TCP"}],
    },
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses": {
        "spec": {"rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]}
    },
    "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies": {
        "spec": {"podSelector": {"matchLabels": LABELS}, "ingress": [{"ports": [{"port": 80, "endPort": 90}]}]}
    },
    "/apis/networking.k8s.io/v1/ingressclasses": {"spec": {"controller": "example.com/c"}},
    "/apis/node.k8s.io/v1/runtimeclasses": {"handler": "h", "scheduling": {"nodeSelector": LABELS}},
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets": {"spec": {"minAvailable": "50%", "selector": {"matchLabels": LABELS}}},
    "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles": {"rules": RULES},
    "/apis/rbac.authorization.k8s.io/v1/clusterroles": {"rules": RULES},
    "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings": {"roleRef": ROLE, "subjects": [SUBJECT]},
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings": {"roleRef": ROLE, "subjects": [SUBJECT]},
    "/apis/scheduling.k8s.io/v1/priorityclasses": {"value": 5, "description": "d"},
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations": {"webhooks": [HOOK]},
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": {"webhooks": [HOOK]},
}
CONDITION: Object = {"type": "Ready", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}
RUNNING: Object = {"name": "c", "image": "i", "imageID": "x", "ready": True, "restartCount": 0, "state": {"running": {}}}
STATUSES: dict[str, Object] = {
    f"{NAMESPACE}/pods": {"phase": "Running", "conditions": [CONDITION], "podIPs": [{"ip": "10.0.0.1"}], "containerStatuses": [RUNNING]},
    f"{NAMESPACE}/replicationcontrollers": {"replicas": 1, "readyReplicas": 1, "conditions": [CONDITION]},
    f"{NAMESPACE}/services": {"conditions": [CONDITION]},
    f"{CORE}/nodes": {
        "capacity": {"cpu": "1"},
        "conditions": [CONDITION],
        "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}],
    },
    "/apis/apps/v1/namespaces/default/deployments": {"replicas": 1, "observedGeneration": 1, "conditions": [CONDITION]},
    "/apis/apps/v1/namespaces/default/replicasets": {"replicas": 1, "readyReplicas": 1, "conditions": [CONDITION]},
    "/apis/apps/v1/namespaces/default/statefulsets": {"replicas": 1, "readyReplicas": 1, "conditions": [CONDITION]},
    "/apis/apps/v1/namespaces/default/daemonsets": {"desiredNumberScheduled": 1, "numberReady": 1, "conditions": [CONDITION]},
    "/apis/batch/v1/namespaces/default/jobs": {"active": 1, "conditions": [CONDITION]},
    "/apis/batch/v1/namespaces/default/cronjobs": {"lastScheduleTime": "2026-01-01T00:00:00Z", "active": [{"kind": "Job", "name": "x"}]},
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
}
CUSTOM = "/apis/example.com/v1/namespaces/default/widgets"
_TEXT: Object = {"type": "string"}
_LEAVES: Object = {
    "s": _TEXT | {"default": "d"},
    "i": {"type": "integer", "format": "int32"},
    "f": {"type": "number"},
    "b": {"type": "boolean", "default": True},
    "mixed": {"x-kubernetes-int-or-string": True},
    "null": _TEXT | {"nullable": True, "default": "d"},
    "when": _TEXT | {"format": "date-time"},
    "one": _TEXT | {"enum": ["a", "b", ""]},
}


def _object(properties: Object, **more: Any) -> Object:
    return {"type": "object", "properties": properties, **more}


def _list(items: Object, kind: str, **more: Any) -> Object:
    return {"type": "array", "items": items, "x-kubernetes-list-type": kind, **more}


_SPEC = _object(
    {
        **_LEAVES,
        "nested": _object(_LEAVES, default={}),
        "any": {"x-kubernetes-preserve-unknown-fields": True},
        "kept": _object(_LEAVES, **{"x-kubernetes-preserve-unknown-fields": True}),
        "set": _list(_TEXT, "set"),
        "keyed": _list(
            _object({**_LEAVES, "k": _TEXT, "p": _TEXT | {"default": "TCP"}}, required=["k"]),
            "map",
            **{"x-kubernetes-list-map-keys": ["k", "p"]},
        ),
        "atoms": _list(_object(_LEAVES), "atomic"),
        "atom": _object(_LEAVES, **{"x-kubernetes-map-type": "atomic"}),
        "map": {"type": "object", "additionalProperties": _object(_LEAVES)},
        "inner": _object({"spec": _object(_LEAVES)}, **{"x-kubernetes-embedded-resource": True}),
    }
)
DEFINITION: Object = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _object({"spec": _SPEC})}}],
    },
}
OBJECTS[CUSTOM] = {
    "spec": {
        "nested": {"s": "x"},
        "any": {"z": [1]},
        "kept": {"u": 1},
        "set": ["a"],
        "keyed": [{"k": "a"}, {"k": "b", "p": "UDP"}],
        "atoms": [{"f": 1.5}],
        "atom": {"i": 2},
        "map": {"a": {"i": 1}},
        "inner": {"apiVersion": "v1", "kind": "Inner", "metadata": {"labels": {"a": "b"}}, "spec": {"i": 1}},
    }
}
