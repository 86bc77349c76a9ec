"""The setting of the network between nodes is changed, never deleted: without it nodes would be led to the defaults, and with them every
connection between pods of two nodes, by one word to the wrong object. A definition that is there and of no use is the same: one that
serves or stores another version, or whose schema drops what is set.

Source: OpenShift, admission plugin config.openshift.io/DenyDeleteClusterConfiguration.
"""

from collections.abc import Mapping

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.model.cluster_network import CLUSTERNETWORKS, DEFAULTS, NAME
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS

_DEFINITION = (CRDS.group_resource, CLUSTERNETWORKS.group_resource)


class ClusterNetworkLifecycle:
    async def mutate(self, write: Write) -> None:
        """Raises Forbidden."""
        if write.operation != "DELETE":
            return
        kept = {(CLUSTERNETWORKS.group_resource, NAME): CLUSTERNETWORKS, _DEFINITION: CRDS}
        if resource := kept.get((write.group_resource, write.name)):
            why = "nodes go by it to reach each other's pods; change it, with `ph network set` for example"
            raise Forbidden.of(resource.plural, write.name, why, resource.group)

    async def validate(self, write: Write) -> None:
        """Raises Forbidden."""
        if write.operation not in ("CREATE", "UPDATE") or write.subresource or (write.group_resource, write.name) != _DEFINITION:
            return
        if lacking := _lacking(write.value or {}):
            why = f"nodes go by it to reach each other's pods, and it {lacking}; leave that as the control plane has made it"
            raise Forbidden.of(CRDS.plural, write.name, why, CRDS.group)


def _lacking(definition: Object) -> str:
    """Why nobody could read or set the network by this definition; "" where they can."""
    versions = (definition.get("spec") or {}).get("versions") or []
    used: Object = next((each for each in versions if each.get("name") == CLUSTERNETWORKS.version), {})
    if not used.get("served") or not used.get("storage"):
        return f"does not both serve and store version {CLUSTERNETWORKS.version}"
    whole = (used.get("schema") or {}).get("openAPIV3Schema") or {}
    spec = _properties(whole).get("spec")
    if spec is None and not _keeps_all(whole):
        return "has no spec"
    dropped = [name for name in DEFAULTS if name not in _properties(spec or whole)]
    return "" if not dropped or _keeps_all(spec or whole) else f"drops spec.{dropped[0]}"


def _properties(schema: Object) -> Mapping[str, Object]:
    return schema.get("properties") or {}


def _keeps_all(schema: Object) -> bool:
    """Also what it does not name."""
    return schema.get("x-kubernetes-preserve-unknown-fields") is True
