"""The accounts and databases that the primary is told to have, and those that it is told to drop (pure).

Each entry has a version: the primary names it when it has carried the entry out, so it is known what it has by now. A version is made
of what is wanted and of the Secret's resourceVersion; nothing secret can be read from it.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object, fingerprint
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.accounts.check import ALL, ON_DATABASES, ON_SERVER, grantable
from pilothouse.platform.databases.mysql.accounts.names import (
    DROP_LATER,
    FINALIZER,
    OLD_PASSWORD,
    PASSWORD,
    account_name,
    database_name,
    own_secret,
    secret_of,
)
from pilothouse.platform.databases.mysql.accounts.standing import Standing, standing


def accounts_of(instance: Object, users: Sequence[Object], databases: Sequence[Object], secrets: Mapping[str, Object]) -> list[Object]:
    """Entries of `accounts`, the instance's own first. secrets: by name, as far as they exist.

    No account is told of without its Secret, nor without the finalizer by which it is dropped in the end.
    """
    found = standing(instance, users, databases, secrets)
    own = secrets.get(own_secret(meta.name(instance)))
    entries = [own_entry(instance, own)] if own is not None and text_of(own, PASSWORD) else []
    for user in found.users.values():
        secret = secrets.get(secret_of(user))
        if secret is not None and FINALIZER in meta.finalizers(user):
            entries.append(account_entry(user, secret, [names.database(instance), *found.databases]))
    return entries


def databases_of(instance: Object, users: Sequence[Object], databases: Sequence[Object], secrets: Mapping[str, Object]) -> list[Object]:
    """Entries of `databases`, the instance's own first."""
    found = standing(instance, users, databases, secrets)
    own = {"name": names.database(instance), "version": meta.uid(instance), "character_set": "utf8mb4", "collation": ""}
    return [own, *(database_entry(each) for each in found.databases.values())]


def dropped_of(instance: Object, users: Sequence[Object], databases: Sequence[Object], secrets: Mapping[str, Object]) -> list[Object]:
    """Entries of `dropped`: what objects that are being deleted stood for, and what was to be dropped while the instance was suspended."""
    found = standing(instance, users, databases, secrets)
    entries = [drop_entry(f"account/{account_name(each)}", meta.uid(each)) for each in users if is_dropping(each)]
    entries += [drop_entry(f"database/{database_name(each)}", meta.uid(each)) for each in databases if is_dropping(each)]
    entries += [drop_entry(each, meta.uid(instance)) for each in drop_later(instance)]
    return [each for each in entries if not is_wanted(each, instance, found)]


def is_dropping(obj: Object) -> bool:
    return meta.is_deleting(obj) and FINALIZER in meta.finalizers(obj)


def is_wanted(entry: Object, instance: Object, found: Standing) -> bool:
    """Whether what is to be dropped is meant by another object, or is the instance's own."""
    if entry["kind"] == "account":
        return entry["name"] == names.account(meta.name(instance)) or entry["name"] in found.users
    return entry["name"] == names.database(instance) or entry["name"] in found.databases


def drop_later(instance: Object) -> list[str]:
    return [each for each in meta.annotations(instance).get(DROP_LATER, "").split(",") if "/" in each]


def drop_entry(key: str, uid: str) -> Object:
    """key: `account/NAME` or `database/NAME`. uid: of the object that asks for it."""
    kind, _, name = key.partition("/")
    return {"kind": kind, "name": name, "version": f"dropped {uid}"}


def own_entry(instance: Object, secret: Object) -> Object:
    """The account of the instance's name, with all rights on its first database."""
    name = names.account(meta.name(instance))
    entry = {"name": name, "grants": [{"privileges": [ALL], "on": names.database(instance)}], "max_connections": 0, "require": "ssl"}
    return _with_passwords(entry, meta.uid(instance), secret)


def account_entry(user: Object, secret: Object, databases: Sequence[str]) -> Object:
    """databases: all of the instance, for grants on `*`."""
    spec = user["spec"]
    grants = [each for grant in spec.get("grants") or () for each in _grants(grant, databases)]
    entry = {"name": account_name(user), "grants": grants, "max_connections": spec.get("maxConnections", 0), "require": "ssl"}
    return _with_passwords(entry, meta.uid(user), secret)


def _grants(grant: Object, databases: Sequence[str]) -> Iterator[Object]:
    """On `*` stands for each database that the instance has as an object: GRANT ... ON *.* would reach the server's own tables."""
    privileges = grantable(grant)
    if grant["target"] != "*":
        yield from [{"privileges": privileges, "on": grant["target"]}] if privileges else []
        return
    if of_server := [each for each in privileges if each in ON_SERVER]:
        yield {"privileges": of_server, "on": "*"}
    if of_databases := [each for each in privileges if each == ALL or each in ON_DATABASES]:
        yield from ({"privileges": of_databases, "on": name} for name in databases)


def _with_passwords(entry: Object, uid: str, secret: Object) -> Object:
    version = _digest([entry, uid, meta.uid(secret), meta.resource_version(secret)])
    return entry | {"version": version, "password": text_of(secret, PASSWORD), "old_password": text_of(secret, OLD_PASSWORD)}


def database_entry(database: Object) -> Object:
    spec = database["spec"]
    entry = {
        "name": database_name(database),
        "character_set": spec.get("characterSet") or "utf8mb4",
        "collation": spec.get("collation") or "",
    }
    return entry | {"version": _digest([entry, meta.uid(database)])}


def _digest(value: object) -> str:
    return hashlib.sha256(fingerprint(value)).hexdigest()[:32]


def text_of(secret: Object, key: str) -> str:
    """A value of a Secret as text, "" where there is none, or none that is text."""
    value = (secret.get("data") or {}).get(key, "")
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        return ""
