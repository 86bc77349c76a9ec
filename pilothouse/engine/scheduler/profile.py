"""From a profile's configuration to its plug-ins."""

from collections.abc import Sequence

from pilothouse.engine.scheduler.config.types import PluginArgs, ProfileConfig
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
from pilothouse.engine.scheduler.plugins.scheduling_gates import SchedulingGates
from pilothouse.engine.scheduler.plugins.taint_toleration import TaintToleration
from pilothouse.engine.scheduler.snapshot.terms import NamespaceLabels


def profile(config: ProfileConfig, labels_of: NamespaceLabels, default_selector: DefaultSelector, *edges: Plugin) -> Profile:
    """edges: the plug-ins that act on the cluster, as binding. One that the configuration names and that is not there takes no part."""
    known = {each.name: each for each in (*_judging(config.args, labels_of, default_selector), *edges)}
    chosen = {point: [known[name] for name in names if name in known] for point, names in config.enabled.items()}
    return Profile(chosen, config.weights, config.percentage)


def _judging(args: PluginArgs, labels_of: NamespaceLabels, default_selector: DefaultSelector) -> Sequence[Plugin]:
    return (
        SchedulingGates(),
        PrioritySort(),
        NodeUnschedulable(),
        TaintToleration(),
        NodeAffinity(args.node_affinity),
        NodePorts(),
        NodeResourcesFit(args.fit),
        PodTopologySpread(default_selector, args.spread),
        InterPodAffinity(labels_of, args.affinity),
        BalancedAllocation(args.balanced),
        ImageLocality(),
    )
