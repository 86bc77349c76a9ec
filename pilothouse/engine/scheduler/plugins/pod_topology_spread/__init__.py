"""Pods that are alike are spread over nodes and zones: as they demand, or by default as far as it goes."""

from pilothouse.engine.scheduler.plugins.pod_topology_spread.plugin import PodTopologySpread

__all__ = ["PodTopologySpread"]
