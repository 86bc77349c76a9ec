"""Events have two shapes, core/v1 and events.k8s.io/v1, and one place in the store: that of core/v1.

Source: kubernetes pkg/apis/events/v1/conversion.go.
"""

from pilothouse.model.json import Object

_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_FROM_CORE = {core: ours for ours, core in _TO_CORE.items()}


def to_core(event: Object) -> Object:
    return {_TO_CORE.get(name, name): value for name, value in event.items()}


def from_core(event: Object) -> Object:
    return {_FROM_CORE.get(name, name): value for name, value in event.items()}
