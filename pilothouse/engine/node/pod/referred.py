"""Which ConfigMaps and Secrets a pod refers to: all that its node may read of them. Pure.

Source: kubernetes pkg/kubelet/util/manager, plugin/pkg/auth/authorizer/node.
"""

from pilothouse.client.watched import Reference
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.environment import references
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, SECRETS

_VOLUMES = (("configMap", "name", CONFIGMAPS), ("secret", "secretName", SECRETS), ("secret", "name", SECRETS))


def referred(pod: Object) -> frozenset[Reference]:
    """From environments, volumes and image pull secrets."""
    namespace = meta.namespace(pod)
    configmaps, secrets = references(pod)
    spec = podspec.spec(pod)
    secrets |= {each["name"] for each in spec.get("imagePullSecrets") or () if each.get("name")}
    found = {Reference(CONFIGMAPS, namespace, name) for name in configmaps}
    found |= {Reference(SECRETS, namespace, name) for name in secrets}
    for volume in spec.get("volumes") or ():
        for part in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            for kind, key, resource in _VOLUMES:
                name = (part.get(kind) or {}).get(key)
                if name:
                    found.add(Reference(resource, namespace, name))
        if name := ((volume.get("csi") or {}).get("nodePublishSecretRef") or {}).get("name"):
            found.add(Reference(SECRETS, namespace, name))
    return frozenset(found)
