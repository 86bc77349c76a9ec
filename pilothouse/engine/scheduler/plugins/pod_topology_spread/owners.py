"""Which pods one is spread from by default: those that all of its Services and its owner select.

Source: kubernetes pkg/scheduler/framework/plugins/helper/spread.go (DefaultSelector).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from pilothouse.client.informer import Informer
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.terms import selector_of
from pilothouse.model import meta
from pilothouse.model.json import Object, fingerprint
from pilothouse.model.selector import Selector, requirement

REMEMBERED = 4096


class Owners:
    """owners: informers of controllers by kind. What was found for a shape is kept until a Service or an owner changes."""

    def __init__(self, services: Informer, owners: Mapping[str, Informer]) -> None:
        services.add_index("namespace", _namespace)
        self._services = services
        self._owners = owners
        self._found: OrderedDict[Shape, tuple[bytes, Selector] | None] = OrderedDict()
        for informer in (services, *owners.values()):
            informer.on_change(self._changed)

    def selector(self, shape: Shape) -> tuple[bytes, Selector] | None:
        """None when nothing selects such pods: then there is nothing to spread them from."""
        if shape not in self._found:
            self._found[shape] = self._look_up(shape)
            if len(self._found) > REMEMBERED:
                self._found.popitem(last=False)
        return self._found[shape]

    def _look_up(self, shape: Shape) -> tuple[bytes, Selector] | None:
        selectors = [_of_service(each) for each in self._services.by_index("namespace", shape.namespace)]
        found = [each for each in selectors if each.requirements and each.matches(shape.labels)]
        if (owner := self._owner(shape)) is not None and (stated := (owner.get("spec") or {}).get("selector")):
            found.append(_of_service(owner) if owner.get("kind") == "ReplicationController" else selector_of(stated))
        requirements = tuple(sorted({each for one in found for each in one.requirements}, key=str))
        if not requirements:
            return None
        return fingerprint([str(each) for each in requirements]), Selector(requirements)

    def _owner(self, shape: Shape) -> Object | None:
        kind, name = shape.owner or ("", "")
        informer = self._owners.get(kind)
        return None if informer is None else informer.get(f"{shape.namespace}/{name}")

    def _changed(self, old: Object | None, new: Object | None) -> None:
        """Most changes are of status."""
        if old is None or new is None or (old.get("spec") or {}).get("selector") != (new.get("spec") or {}).get("selector"):
            self._found.clear()


def _namespace(obj: Object) -> Iterable[str]:
    return (meta.namespace(obj),)


def _of_service(obj: Object) -> Selector:
    """Of a Service or a ReplicationController: labels, as a map."""
    stated = (obj.get("spec") or {}).get("selector") or {}
    return Selector(tuple(requirement(key, "=", (value,)) for key, value in sorted(stated.items())))
