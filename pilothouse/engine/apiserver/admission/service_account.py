"""A pod runs as a service account and gets a token of it, unless it asks not to.

Source: kubernetes plugin/pkg/admission/serviceaccount.
"""

import random
from typing import Any

from pilothouse.engine.apiserver.admission.chain import Attributes
from pilothouse.engine.apiserver.admission.plugin import Passive
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.meta import NAME_ALPHABET

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_MIRROR = "kubernetes.io/config.mirror"
_VOLUME = "kube-api-access-"


class ServiceAccounts(Passive):
    def __init__(self, store: Any) -> None:
        self._store = store

    def mutate(self, attributes: Attributes) -> None:
        if attributes.group_resource != "pods" or attributes.operation != "CREATE" or attributes.subresource:
            return
        pod = attributes.new()
        if _MIRROR in (pod["metadata"].get("annotations") or {}):
            return
        spec = pod.setdefault("spec", {})
        name = spec.setdefault("serviceAccountName", "default") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = self._account(attributes, name)
        if "imagePullSecrets" not in spec and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]
        if _automounts(spec, account):
            _mount(spec)

    def _account(self, attributes: Attributes, name: str) -> Object:
        record = self._store.get(f"/serviceaccounts/{attributes.namespace}/{name}")
        if record is None:
            why = f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found'
            raise Forbidden.of("pods", attributes.name, why)
        found: Object = record.value
        return found


def _automounts(spec: Object, account: Object) -> bool:
    for stated in (spec.get("automountServiceAccountToken"), account.get("automountServiceAccountToken")):
        if stated is not None:
            return bool(stated)
    return True


def _mount(spec: Object) -> None:
    volumes = spec.get("volumes") or []
    name = next((volume["name"] for volume in volumes if volume["name"].startswith(_VOLUME)), "")
    is_new = not name
    name = name or _VOLUME + "".join(random.choices(NAME_ALPHABET, k=5))
    mounted = False
    for container in (spec.get("initContainers") or []) + (spec.get("containers") or []):
        mounts = container.get("volumeMounts") or []
        if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
            continue
        container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
        mounted = True
    if mounted and is_new:
        spec["volumes"] = [*volumes, _volume(name)]


def _volume(name: str) -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
