"""What the engine must know of the platform so that its parts may do their work: roles, and which Secrets each may read."""

from collections.abc import Mapping

from pilothouse.engine.apiserver.authz.secrets import SecretReader
from pilothouse.model.json import Object
from pilothouse.platform import rights
from pilothouse.platform.apps.controller import COPIES, secrets_of
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS
from pilothouse.platform.databases.mysql import labels, names
from pilothouse.platform.databases.mysql.accounts.controller import named_secrets
from pilothouse.platform.databases.mysql.backups.source import MySQLSource
from pilothouse.platform.databases.mysql.binding import MySQLService
from pilothouse.platform.databases.pattern.backups.source import Source
from pilothouse.platform.databases.pattern.binding.controller import secrets_of as secrets_of_binding
from pilothouse.platform.databases.pattern.binding.service import BackingService
from pilothouse.platform.databases.resource import BINDINGS, MYSQL_USERS, MYSQLS
from pilothouse.platform.gateway import classes

INGRESSES, INGRESS_CLASSES = "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io"

SERVICES: Mapping[str, BackingService] = {"MySQL": MySQLService()}
"""What apps can be bound to, by kind."""
SOURCES: Mapping[str, Source] = {"MySQL": MySQLSource()}
"""What backups are taken of, by kind."""


def secret_readers() -> tuple[SecretReader, ...]:
    return (
        SecretReader(rights.GATEWAY_USER, INGRESSES, classes.tls_secrets, beside=INGRESS_CLASSES, counts=classes.is_served),
        SecretReader(rights.account(rights.APPS), APPS.group_resource, secrets_of, made_by_itself=COPIES),
        SecretReader(rights.account(rights.BUILDS), BUILDS.group_resource, _credentials),
        SecretReader(rights.account(rights.DATABASES), MYSQLS.group_resource, names.secrets_of, made_by_itself=labels.INSTANCE),
        SecretReader(rights.account(rights.DATABASES), MYSQL_USERS.group_resource, named_secrets),
        SecretReader(rights.account(rights.BINDINGS), BINDINGS.group_resource, lambda binding: secrets_of_binding(binding, SERVICES)),
    )


def _credentials(build: Object) -> list[str]:
    """The Secret with the credentials of the repository that the Build clones."""
    secret = (build["spec"].get("source", {}).get("git") or {}).get("secret")
    return [secret] if secret else []
