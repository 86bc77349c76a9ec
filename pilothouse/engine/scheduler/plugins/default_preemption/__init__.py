"""Room for a pod that fits nowhere is made by letting less important ones go."""

from pilothouse.engine.scheduler.plugins.default_preemption.plugin import DefaultPreemption

__all__ = ["DefaultPreemption"]
