"""The plug-ins of the default scheduler, in upstream's order and with upstream's weights."""

from pilothouse.engine.scheduler.framework.plugin import Plugin
from pilothouse.engine.scheduler.framework.profile import Profile
from pilothouse.engine.scheduler.plugins.image_locality import ImageLocality
from pilothouse.engine.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pilothouse.engine.scheduler.plugins.node_affinity import NodeAffinity
from pilothouse.engine.scheduler.plugins.node_ports import NodePorts
from pilothouse.engine.scheduler.plugins.node_resources.balanced_allocation import BalancedAllocation
from pilothouse.engine.scheduler.plugins.node_resources.fit import NodeResourcesFit
from pilothouse.engine.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pilothouse.engine.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pilothouse.engine.scheduler.plugins.pod_topology_spread.plugin import DefaultSelector
from pilothouse.engine.scheduler.plugins.priority_sort import PrioritySort
from pilothouse.engine.scheduler.plugins.taint_toleration import TaintToleration
from pilothouse.engine.scheduler.snapshot.terms import NamespaceLabels

WEIGHTS = {
    TaintToleration.name: 3,
    NodeAffinity.name: 2,
    PodTopologySpread.name: 2,
    InterPodAffinity.name: 2,
    NodeResourcesFit.name: 1,
    BalancedAllocation.name: 1,
    ImageLocality.name: 1,
}


def default_profile(labels_of: NamespaceLabels, default_selector: DefaultSelector, *edges: Plugin) -> Profile:
    """edges: the plug-ins that act on the cluster, as binding."""
    plugins: tuple[Plugin, ...] = (
        PrioritySort(),
        NodeUnschedulable(),
        TaintToleration(),
        NodeAffinity(),
        NodePorts(),
        NodeResourcesFit(),
        PodTopologySpread(default_selector),
        InterPodAffinity(labels_of),
        BalancedAllocation(),
        ImageLocality(),
    )
    return Profile((*plugins, *edges), WEIGHTS)
