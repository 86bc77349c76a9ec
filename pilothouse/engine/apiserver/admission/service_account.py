"""A pod runs as a service account and gets a token of it, unless it asks not to.

Source: kubernetes plugin/pkg/admission/serviceaccount.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.authz.references import SECRETS, references
from pilothouse.engine.apiserver.kinds.data import ENFORCED
from pilothouse.engine.apiserver.kinds.pod_validation.annotations import MIRROR
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import SERVICEACCOUNTS
from pilothouse.model.meta import NAME_ALPHABET

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TRUE = ("1", "t", "true")
_NEW_CONTAINERS = (("CREATE", ""), ("UPDATE", "ephemeralcontainers"))
_VOLUME = "kube-api-access-"
_DEFAULT = "default"
_LOOKS, _PAUSE_S = 40, 0.05
"""How often a namespace's default account is looked for, and the time between: whoever makes a namespace and at once a pod in it comes
before the controller that makes the account."""


class ServiceAccounts:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        if write.group_resource != "pods" or write.operation != "CREATE" or write.subresource:
            return
        pod = write.new()
        spec = pod.setdefault("spec", {})
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            if why := _beyond_static_pods(pod, spec):
                raise Forbidden.of("pods", write.name, why)
            return
        name = spec.setdefault("serviceAccountName", _DEFAULT) or _DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(write, name)
        if _automounts(spec, account):
            _mount(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]

    async def validate(self, write: Write) -> None:
        """Secrets beyond those of an account that says that its pods may only use its own."""
        if write.group_resource != "pods" or (write.operation, write.subresource) not in _NEW_CONTAINERS:
            return
        spec = write.new().get("spec") or {}
        account = self._objects.get(SERVICEACCOUNTS, write.namespace, spec.get("serviceAccountName") or "") or {}
        if ((account.get("metadata") or {}).get("annotations") or {}).get(ENFORCED, "").lower() not in _TRUE:
            return
        judged = spec if write.operation == "CREATE" else {"ephemeralContainers": spec.get("ephemeralContainers")}
        if why := next(_beyond_account(judged, account), ""):
            raise Forbidden.of("pods", write.name, why)

    async def _account(self, write: Write, name: str) -> Object:
        """Waits for the default account, two seconds at most. Raises Forbidden without the account."""
        for look in range(_LOOKS if name == _DEFAULT else 1):
            if look:
                await asyncio.sleep(_PAUSE_S)
            found = self._objects.get(SERVICEACCOUNTS, write.namespace, name)
            if found is not None:
                return found
        why = f'error looking up service account {write.namespace}/{name}: serviceaccount "{name}" not found'
        raise Forbidden.of("pods", write.name, why)


def _beyond_static_pods(pod: Object, spec: Object) -> str:
    """What a pod that a node made of a file may not refer to; "" when it refers to nothing."""
    if spec.get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if any(resource == SECRETS for resource, _ in references(pod)):
        return "a mirror pod may not reference secrets"
    sources = (source for volume in spec.get("volumes") or () for source in (volume.get("projected") or {}).get("sources") or ())
    if any(source.get("serviceAccountToken") is not None for source in sources):
        return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def _beyond_account(spec: Object, account: Object) -> Iterator[str]:
    owner = account["metadata"]["name"]
    known = {secret.get("name") for secret in account.get("secrets") or ()}
    refused = f"is not allowed because service account {owner} does not reference that secret"
    for volume in spec.get("volumes") or ():
        if (source := volume.get("secret")) is not None and (name := source.get("secretName") or "") not in known:
            yield f'volume with secret.secretName="{name}" {refused}'
    for kind, what in (("initContainers", "init container"), ("containers", "container"), ("ephemeralContainers", "ephemeral container")):
        for container in spec.get(kind) or ():
            yield from (f"{what} {container.get('name')} with {text} {refused}" for text in _foreign_variables(container, known))
    pulls = {secret.get("name") for secret in account.get("imagePullSecrets") or ()}
    for i, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if secret.get("name") not in pulls:
            why = f"is not allowed because service account {owner} does not reference that imagePullSecret"
            yield f'imagePullSecrets[{i}].name="{secret.get("name") or ""}" {why}'


def _foreign_variables(container: Object, known: set[Any]) -> Iterator[str]:
    for variable in container.get("env") or ():
        ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if ref is not None and ref.get("name") not in known:
            yield f'envVar {variable.get("name")} referencing secret.secretName="{ref.get("name") or ""}"'
    for source in container.get("envFrom") or ():
        if (ref := source.get("secretRef")) is not None and ref.get("name") not in known:
            yield f'envFrom referencing secret.secretName="{ref.get("name") or ""}"'


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
