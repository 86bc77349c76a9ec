"""Who works with a cluster in tests: each with the rights that such a one has, and clients that are signed in as them."""

from pilothouse.client.client import Client
from pilothouse.engine.apiserver.bootstrap.bindings import ADMINS
from pilothouse.engine.apiserver.identity import AUTHENTICATED, CONTROLLER_MANAGER, MASTERS, SCHEDULER, User, controller, service_account
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.platform.rights import SYSTEM
from tests.uses import note

ADMIN = User("admin", (ADMINS, AUTHENTICATED))
"""Bound to cluster-admin, as the administrator's kubeconfig is."""
MASTER = User("super-admin", (MASTERS, AUTHENTICATED))
"""Whom authorization refuses nothing: for tests of just that."""


def node(name: str) -> User:
    return User(f"system:node:{name}", ("system:nodes", AUTHENTICATED))


def person(name: str, *groups: str) -> User:
    """Somebody without rights but those that a test grants."""
    return User(name, (*groups, AUTHENTICATED))


def platform_part(name: str) -> User:
    return service_account(SYSTEM, name)


def client_of(server: ApiServer, user: User) -> Client:
    return Client(InProcessTransport(server, user), field_manager=user.name.rpartition(":")[2])


def controller_client(server: ApiServer, name: str) -> Client:
    """Signed in as the controller of that name."""
    return client_of(server, controller(name))


def refused_parts(server: ApiServer) -> list[tuple[str, str, str, str]]:
    """What parts of the cluster have asked for and may not do: identity, verb, resource, namespace."""
    uses = server.backend.authorizer.uses
    note((who, verb, resource, namespace) for who, verb, resource, namespace, allowed in uses if allowed)
    return [(who, verb, resource, namespace) for who, verb, resource, namespace, allowed in uses if not allowed]


__all__ = [
    "ADMIN",
    "CONTROLLER_MANAGER",
    "MASTER",
    "SCHEDULER",
    "client_of",
    "controller_client",
    "node",
    "person",
    "platform_part",
    "refused_parts",
]
