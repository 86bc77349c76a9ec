"""What `ph bind` was asked for, and the Binding that follows from it and from the one that is there (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.pattern.binding.names import app_of, binding_name, service_of
from pilothouse.platform.databases.resource import BINDINGS


@dataclass(frozen=True, slots=True)
class Wish:
    """None: as it is, or the default."""

    app: str
    service: str
    namespace: str
    rights: str | None = None
    database: str | None = None
    prefix: str | None = None

    @property
    def asked(self) -> dict[str, str]:
        given = {"rights": self.rights, "database": self.database, "prefix": self.prefix}
        return {key: value for key, value in given.items() if value is not None}


def binding(wish: Wish, before: Object | None) -> Object:
    """The Binding to create, or the one that is there with what is asked for."""
    if before is not None:
        return before | {"spec": before["spec"] | wish.asked}
    return {
        "apiVersion": BINDINGS.api_version,
        "kind": BINDINGS.kind,
        "metadata": {"name": binding_name(wish.app, wish.service), "namespace": wish.namespace},
        "spec": {"app": wish.app, "service": {"kind": "MySQL", "name": wish.service}, "rights": "all", **wish.asked},
    }


def between(bindings: Iterable[Object], app: str, service: str) -> list[Object]:
    """Those of the app and the service, the one that `ph bind` makes first."""
    found = [each for each in bindings if (app_of(each), service_of(each)) == (app, service)]
    return sorted(found, key=lambda each: (meta.name(each) != binding_name(app, service), meta.name(each)))


def may_what(spec: Object) -> str:
    """`all rights on database orders`."""
    database = spec.get("database") or f"the first database of {spec['service']['name']}"
    on = database if not spec.get("database") else f"database {database}"
    return f"{'all rights' if spec.get('rights', 'all') == 'all' else 'the right to read'} on {on}"
