"""A pod runs as a service account and gets a token of it, unless it asks not to.

Source: kubernetes plugin/pkg/admission/serviceaccount.
"""

import random

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import SERVICEACCOUNTS
from pilothouse.model.meta import NAME_ALPHABET

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_MIRROR = "kubernetes.io/config.mirror"
_VOLUME = "kube-api-access-"


class ServiceAccounts:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        if write.group_resource != "pods" or write.operation != "CREATE" or write.subresource:
            return
        pod = write.new()
        if _MIRROR in (pod["metadata"].get("annotations") or {}):
            return
        spec = pod.setdefault("spec", {})
        name = spec.setdefault("serviceAccountName", "default") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = self._account(write, name)
        if "imagePullSecrets" not in spec and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]
        if _automounts(spec, account):
            _mount(spec)

    def _account(self, write: Write, name: str) -> Object:
        found = self._objects.get(SERVICEACCOUNTS, write.namespace, name)
        if found is None:
            why = f'error looking up service account {write.namespace}/{name}: serviceaccount "{name}" not found'
            raise Forbidden.of("pods", write.name, why)
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
