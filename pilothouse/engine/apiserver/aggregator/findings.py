"""What is known of other servers since they were asked last: whether they answer, and what they serve. In memory alone."""

from dataclasses import dataclass, field, replace

from pilothouse.engine.apiserver.aggregator.described import Described
from pilothouse.engine.apiserver.resources.registration import Registration
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class Finding:
    """of: whom it is about, as it was registered then. failure: why it does not answer, "" where it does.

    resources: as in the aggregated discovery document (apidiscovery.k8s.io/v2), of the last time that it answered. openapi: where it has
    its OpenAPI document of version 3, path and query, "" without one. described: what it says of itself in version
    2. is_outdated: what is behind it has gone since, or has come anew.
    """

    of: Registration
    failure: str = ""
    resources: tuple[Object, ...] = ()
    openapi: str = ""
    described: Described | None = None
    is_outdated: bool = False

    def is_about(self, registration: Registration) -> bool:
        """Whether it still tells something of who is registered now."""
        before = self.of
        return (before.uid, before.service, before.authorities, before.is_verified) == (
            registration.uid,
            registration.service,
            registration.authorities,
            registration.is_verified,
        )


@dataclass(slots=True)
class Findings:
    """By the name of the APIService."""

    _found: dict[str, Finding] = field(default_factory=dict)

    def put(self, name: str, finding: Finding) -> None:
        self._found[name] = finding

    def outdate(self, name: str) -> None:
        if (found := self._found.get(name)) is not None:
            self._found[name] = replace(found, is_outdated=True)

    def keep(self, names: set[str]) -> None:
        """Forget all others."""
        for name in self._found.keys() - names:
            del self._found[name]

    def of(self, registration: Registration) -> Finding | None:
        """None while it has not been asked."""
        found = self._found.get(registration.name)
        return found if found is not None and found.is_about(registration) else None
