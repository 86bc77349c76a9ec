"""MySQL's side of bindings: an account is a MySQLUser, and its app connects to the Service of the primary over TLS (pure)."""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, names
from pilothouse.platform.databases.mysql.accounts.names import PASSWORD, database_name
from pilothouse.platform.databases.mysql.accounts.wanted import text_of
from pilothouse.platform.databases.pattern.binding.names import service_of
from pilothouse.platform.databases.pattern.binding.service import Connection
from pilothouse.platform.databases.resource import MYSQL_DATABASES, MYSQL_USERS, MYSQLS

GRANTS = {"all": ["ALL"], "read": ["SELECT", "SHOW VIEW"]}
_LONGEST = 32
"""Characters of an account's name that every flavour takes."""


class MySQLService:
    """Implements `pattern.binding.service.BackingService`."""

    instances = MYSQLS
    accounts = MYSQL_USERS
    databases = MYSQL_DATABASES

    def missing_database(self, binding: Object, instance: Object, databases: Sequence[Object]) -> str:
        wanted, service = database_of(binding, instance), service_of(binding)
        if wanted in (names.database(instance), *map(database_name, databases)):
            return ""
        return f"{service} has no database {wanted}: make it with `ph mysql databases add {service} {wanted}`"

    def account_spec(self, binding: Object, instance: Object) -> Object:
        rights = binding["spec"].get("rights") or "all"
        grants = [{"privileges": GRANTS[rights], "target": database_of(binding, instance)}]
        return {
            "instance": service_of(binding),
            "name": account_name(binding),
            "secret": self.account_secret(binding),
            "grants": grants,
        }

    def account_secret(self, binding: Object) -> str:
        return f"{meta.name(binding)}-account"

    def authority_secret(self, binding: Object) -> str:
        return service_of(binding)

    def connection(self, binding: Object, instance: Object, account: Object, password: Object, authority: Object) -> Connection | None:
        """The URL says nothing of TLS: each library has words of its own for it, and most take none that they do not know."""
        known, ca = text_of(password, PASSWORD), text_of(authority, "ca.crt")
        if not known or not ca or not labels.is_of(instance, authority):
            return None
        host = names.host(meta.name(instance), meta.namespace(instance))
        user = str(account["spec"].get("name") or meta.name(account))
        return Connection("mysql", host, names.PORT, user, database_of(binding, instance), known, ca)


def database_of(binding: Object, instance: Object) -> str:
    return str(binding["spec"].get("database") or names.database(instance))


def account_name(binding: Object) -> str:
    """In the server: of the Binding's name, as far as that fits, and begun with a letter."""
    name = meta.name(binding)
    begun = name if name[:1].isalpha() else f"app-{name}"
    return begun if len(begun) <= _LONGEST else f"{begun[: _LONGEST - 9]}-{meta.uid(binding)[:8]}"
