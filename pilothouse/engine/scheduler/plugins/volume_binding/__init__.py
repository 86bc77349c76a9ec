"""Pods go where their volumes are, and are bound once all their claims are."""

from pilothouse.engine.scheduler.plugins.volume_binding.plugin import VolumeBinding

__all__ = ["VolumeBinding"]
