"""Versions of API groups for which other servers answer, as APIServices with a service say; an index of these (see `following`)."""

from pilothouse.model.json import Object


class ForeignVersions:
    """Versions that this server serves itself may be among them: it goes on to answer for those."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, tuple[int, str]]] = {}
        self._services: dict[tuple[str, str], set[str]] = {}
        self._specs: dict[str, Object] = {}

    def put(self, namespace: str, name: str, value: Object) -> None:
        self.drop(namespace, name)
        spec = value["spec"]
        service = spec.get("service")
        if service is None:
            return
        self._specs[name] = spec
        self._groups.setdefault(spec.get("group") or "", {})[spec["version"]] = -spec["versionPriority"], spec["version"]
        self._services.setdefault((service["namespace"], service["name"]), set()).add(name)

    def drop(self, namespace: str, name: str) -> None:
        spec = self._specs.pop(name, None)
        if spec is None:
            return
        group, service = spec.get("group") or "", (spec["service"]["namespace"], spec["service"]["name"])
        del self._groups[group][spec["version"]]
        if not self._groups[group]:
            del self._groups[group]
        self._services[service].discard(name)
        if not self._services[service]:
            del self._services[service]

    def clear(self) -> None:
        self._groups.clear()
        self._services.clear()
        self._specs.clear()

    def has(self, group: str, version: str) -> bool:
        return version in self._groups.get(group, ())

    def versions(self, group: str) -> list[str]:
        """The one of the highest priority first."""
        found = self._groups.get(group, {})
        return sorted(found, key=found.__getitem__)

    def behind(self, namespace: str, service: str) -> set[str]:
        """Names of the APIServices that name this Service."""
        return self._services.get((namespace, service), set())
