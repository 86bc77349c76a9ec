"""Which Services select a pod, found by what selectors ask for rather than by looking at every Service of the namespace.

Services are kept by the labels that their selectors name, and under these by the values that they want. The sets of names are few (most
namespaces have one or two), so that a pod is looked up once for each of them, whatever the number of Services.
"""

from collections.abc import Iterator

from pilothouse.client.informer import Informer
from pilothouse.engine.controllers.endpoints import facts
from pilothouse.model import meta
from pilothouse.model.json import Object

_Names = tuple[str, ...]
_Values = tuple[str, ...]


class Selectors:
    """Follows an informer of Services."""

    def __init__(self, services: Informer) -> None:
        self._found: dict[str, dict[_Names, dict[_Values, set[str]]]] = {}
        services.on_change(self._changed)

    def of(self, *versions: Object | None) -> set[str]:
        """Keys of the Services that select a pod in one of its versions; None is none."""
        return {key for pod in versions if pod is not None for key in self._selecting(pod)}

    def _selecting(self, pod: Object) -> Iterator[str]:
        labels = meta.labels(pod)
        for names, by_values in self._found.get(meta.namespace(pod), {}).items():
            values = tuple(labels[name] for name in names if name in labels)
            if len(values) == len(names):
                yield from by_values.get(values, ())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        before, after = ({} if service is None else facts.selector(service) for service in (old, new))
        if old is not None and before and (new is None or before != after):
            self._drop(old, before)
        if new is not None and after and (old is None or before != after):
            names, values = _split(after)
            self._found.setdefault(meta.namespace(new), {}).setdefault(names, {}).setdefault(values, set()).add(meta.key(new))

    def _drop(self, service: Object, selector: dict[str, str]) -> None:
        """What is empty then goes, so that nothing is left of a namespace without Services."""
        names, values = _split(selector)
        by_names = self._found[meta.namespace(service)]
        keys = by_names[names][values]
        keys.discard(meta.key(service))
        if not keys:
            del by_names[names][values]
        if not by_names[names]:
            del by_names[names]
        if not by_names:
            del self._found[meta.namespace(service)]


def _split(selector: dict[str, str]) -> tuple[_Names, _Values]:
    names = tuple(sorted(selector))
    return names, tuple(selector[name] for name in names)
