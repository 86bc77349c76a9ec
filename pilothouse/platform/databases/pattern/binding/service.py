"""What a kind of backing service gives to the apps that are bound to it: the seam between bindings and the kinds of services."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.pattern.binding.names import SUFFIXES


@dataclass(frozen=True, slots=True)
class Connection:
    """How an app reaches a service. ca: PEM of the authority whose certificate the service shows."""

    scheme: str
    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    ca: str = field(repr=False)

    @property
    def url(self) -> str:
        """Percent-encoded as RFC 3986 has it, a password of any characters included."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"{self.scheme}://{login}@{self.host}:{self.port}/{quote(self.database, safe='')}"

    def variables(self, prefix: str) -> dict[str, str]:
        """By name, such as ORDERS_URL of the prefix ORDERS."""
        values = (self.url, self.host, str(self.port), self.user, self.password, self.database, self.ca)
        return {f"{prefix}_{suffix}": value for suffix, value in zip(SUFFIXES, values, strict=True)}


class BackingService(Protocol):
    """A kind of service. Every function is pure; objects are what the API holds, Secrets included.

    instances, accounts, databases: the kinds whose objects it is made of. An account is owned by its Binding, has the Binding's name,
    the fields `rotatedAt` and `keepOldSeconds` in its spec, and in its status `secretVersion`, `rotatedAt` and the condition Ready.
    """

    @property
    def instances(self) -> Resource: ...
    @property
    def accounts(self) -> Resource: ...
    @property
    def databases(self) -> Resource: ...

    def missing_database(self, binding: Object, instance: Object, databases: Sequence[Object]) -> str:
        """The sentence when the service has not the database that the binding names, else ""."""
        ...

    def account_spec(self, binding: Object, instance: Object) -> Object:
        """The spec of the account, but for its rotation."""
        ...

    def account_secret(self, binding: Object) -> str:
        """The Secret with the account's password, by name."""
        ...

    def authority_secret(self, binding: Object) -> str:
        """The service's Secret with the certificate of its authority, by name."""
        ...

    def connection(self, binding: Object, instance: Object, account: Object, password: Object, authority: Object) -> Connection | None:
        """password, authority: the two Secrets. None when something is not there yet."""
        ...
