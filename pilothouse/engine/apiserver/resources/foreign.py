"""Versions of API groups for which other servers answer, as APIServices with a service say; an index of these (see `following`)."""

from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.model.json import Object


class ForeignVersions:
    """Versions that this server serves itself may be among them: see `ServedResources.foreign_at`."""

    def __init__(self) -> None:
        self._by_name: dict[str, Registration] = {}
        self._groups: dict[str, dict[str, Registration]] = {}
        self._services: dict[tuple[str, str], set[str]] = {}

    def put(self, namespace: str, name: str, value: Object) -> None:
        self.drop(namespace, name)
        found = Registration.of(value)
        if found is None:
            return
        self._by_name[name] = found
        self._groups.setdefault(found.group, {})[found.version] = found
        self._services.setdefault((found.service.namespace, found.service.name), set()).add(name)

    def drop(self, namespace: str, name: str) -> None:
        found = self._by_name.pop(name, None)
        if found is None:
            return
        service = found.service.namespace, found.service.name
        del self._groups[found.group][found.version]
        if not self._groups[found.group]:
            del self._groups[found.group]
        self._services[service].discard(name)
        if not self._services[service]:
            del self._services[service]

    def clear(self) -> None:
        self._by_name.clear()
        self._groups.clear()
        self._services.clear()

    def find(self, group: str, version: str) -> Registration | None:
        return self._groups.get(group, {}).get(version)

    def named(self, name: str) -> Registration | None:
        return self._by_name.get(name)

    def all(self) -> list[Registration]:
        return list(self._by_name.values())

    def versions(self, group: str) -> list[str]:
        """The one of the highest priority first."""
        found = self._groups.get(group, {})
        return sorted(found, key=lambda version: (-found[version].version_priority, version))

    def groups(self) -> list[str]:
        """The one of the highest priority first; that of a group is the highest of its versions'."""
        return sorted(self._groups, key=lambda group: (-max(each.group_priority for each in self._groups[group].values()), group))

    def behind(self, namespace: str, service: str) -> set[str]:
        """Names of the APIServices that name this Service."""
        return self._services.get((namespace, service), set())
