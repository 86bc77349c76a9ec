"""Secrets that a driver is given: where a StorageClass says they are, and what they hold.

    csi.storage.k8s.io/provisioner-secret-name: ${pvc.name}               also ${pv.name}, ${pvc.namespace}, ${pvc.annotations['k']}
    csi.storage.k8s.io/provisioner-secret-namespace: ${pvc.namespace}     also ${pv.name}

Their values go to the driver alone: into no log, no event and no message.
Source: kubernetes-csi external-provisioner (getSecretReference, resolveTemplate).
"""

import re
from base64 import b64decode
from collections.abc import Mapping

from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import SECRETS

PREFIX = "csi.storage.k8s.io/"
PROVISIONER = "provisioner"
OF_VOLUMES = {
    "controller-publish": "controllerPublishSecretRef",
    "node-stage": "nodeStageSecretRef",
    "node-publish": "nodePublishSecretRef",
    "controller-expand": "controllerExpandSecretRef",
    "node-expand": "nodeExpandSecretRef",
}
"""By what the class calls them, the field of the PersistentVolume that says where each is."""
_TOKEN = re.compile(r"\$\{([^}]*)\}")


class SecretTrouble(Exception):
    """A Secret is not named rightly, or not there: a sentence with a way out."""


def reference(parameters: Mapping[str, str], which: str, volume: str, claim: Object) -> Object | None:
    """namespace and name of one of the class's Secrets; None when it names none. Raises SecretTrouble."""
    known = {"pv.name": volume, "pvc.namespace": meta.namespace(claim)}
    more = known | {"pvc.name": meta.name(claim)}
    more |= {f"pvc.annotations['{key}']": value for key, value in meta.annotations(claim).items()}
    return named(parameters, which, more, known)


def named(parameters: Mapping[str, str], which: str, for_name: Mapping[str, str], for_namespace: Mapping[str, str]) -> Object | None:
    """The same, given what tokens stand for. Raises SecretTrouble."""
    fields = {field: parameters.get(f"{PREFIX}{which}-secret-{field}") for field in ("name", "namespace")}
    if not any(fields.values()):
        return None
    missing = [field for field, value in fields.items() if not value]
    if missing:
        raise SecretTrouble(f"the class names a Secret without its {missing[0]}: add the parameter {PREFIX}{which}-secret-{missing[0]}")
    return {"name": _resolved(fields["name"] or "", for_name), "namespace": _resolved(fields["namespace"] or "", for_namespace)}


def _resolved(template: str, known: Mapping[str, str]) -> str:
    unknown = sorted({token for token in _TOKEN.findall(template) if token not in known})
    if unknown:
        can = ", ".join(f"${{{each}}}" for each in known)
        raise SecretTrouble(f"the class's Secret {template!r} has ${{{unknown[0]}}}, which nothing stands for here; it may have {can}")
    return _TOKEN.sub(lambda match: known[match.group(1)], template)


async def read(client: Client, where: Object | None) -> dict[str, str]:
    """Name to value; {} for none. Raises SecretTrouble, or ApiError when it cannot be asked for."""
    if not where:
        return {}
    namespace, name = where.get("namespace") or "", where.get("name") or ""
    try:
        found = await client.get(SECRETS, name, namespace)
    except NotFound as error:
        raise SecretTrouble(f"there is no Secret {namespace}/{name}, which the driver needs; make it, or name another") from error
    try:
        return {key: b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
    except UnicodeDecodeError as error:
        raise SecretTrouble(f"Secret {namespace}/{name} holds a value that is no UTF-8, which drivers cannot be given") from error
