"""The setting of the network between nodes is changed, never deleted: without it nodes would be led to the defaults, and with them every
connection between pods of two nodes, by one word to the wrong object.

Source: OpenShift, admission plugin config.openshift.io/DenyDeleteClusterConfiguration.
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.model.cluster_network import CLUSTERNETWORKS, NAME
from pilothouse.model.errors import Forbidden
from pilothouse.model.kinds import CRDS


class ClusterNetworkLifecycle:
    async def mutate(self, write: Write) -> None:
        """Raises Forbidden."""
        if write.operation != "DELETE":
            return
        kept = {(CLUSTERNETWORKS.group_resource, NAME): CLUSTERNETWORKS, (CRDS.group_resource, CLUSTERNETWORKS.group_resource): CRDS}
        if resource := kept.get((write.group_resource, write.name)):
            why = "nodes go by it to reach each other's pods; change it, with `ph network set` for example"
            raise Forbidden.of(resource.plural, write.name, why, resource.group)
