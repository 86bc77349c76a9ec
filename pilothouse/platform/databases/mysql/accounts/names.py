"""How accounts, databases and their Secrets are named, and which names are the server's or the platform's own (pure)."""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import names

FINALIZER = "databases.pilothouse.dev/account"
"""Of a MySQLUser, and of a MySQLDatabase whose tables go with it: it goes once the server has let go of it."""
DROP_LATER = "databases.pilothouse.dev/drop-later"
"""Annotation of a MySQL: what is to be dropped when it runs again, `account/NAME` and `database/NAME` separated by commas."""
PASSWORD, OLD_PASSWORD, URI = "password", "old-password", "uri"
"""Keys of the Secret of an account."""
SYSTEM_DATABASES = frozenset(["information_schema", "mysql", "performance_schema", "sys"])
_SYSTEM_ACCOUNTS = frozenset(["root", "mysql", "public", "replication"])
_SYSTEM_PREFIXES = ("mysql.", "mariadb.", "pilothouse")


def is_system_account(name: str) -> bool:
    lowered = name.lower()
    return lowered in _SYSTEM_ACCOUNTS or lowered.startswith(_SYSTEM_PREFIXES)


def account_name(user: Object) -> str:
    """In the server. user: a MySQLUser."""
    return str(user["spec"].get("name") or meta.name(user))


def database_name(database: Object) -> str:
    """In the server. database: a MySQLDatabase."""
    return str(database["spec"].get("name") or meta.name(database))


def instance_of(obj: Object) -> str:
    """The name of the instance of a MySQLUser or MySQLDatabase; "" where the object has no spec yet."""
    return str((obj.get("spec") or {}).get("instance") or "")


def instance_key(obj: Object) -> str:
    return f"{meta.namespace(obj)}/{instance_of(obj)}"


def is_left_over(obj: Object, instance: Object | None) -> bool:
    """Whether it was taken up by an instance of the name that has gone. What a controller has made, such as a Binding, follows that."""
    taken_up = (obj.get("status") or {}).get("instanceUid") or ""
    if not taken_up or meta.controller_of(obj) is not None:
        return False
    return instance is None or meta.uid(instance) != taken_up


def secret_of(user: Object) -> str:
    return str(user["spec"].get("secret") or f"{instance_of(user)}-{meta.name(user)}")


def own_secret(instance: str) -> str:
    """With the account that every instance has, for people and for apps without a binding."""
    return instance


def reserved_secrets(instance: str) -> frozenset[str]:
    """Secrets of the instance that are no account's."""
    return frozenset([own_secret(instance), names.system(instance), names.tls(instance), names.job(instance), f"{instance}-archive"])
