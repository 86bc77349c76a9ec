"""What the engine must know of the platform so that its parts may do their work: roles, and which Secrets each may read."""

from pilothouse.engine.apiserver.authz.secrets import SecretReader
from pilothouse.model.json import Object
from pilothouse.platform import rights
from pilothouse.platform.apps.controller import COPIES, secrets_of
from pilothouse.platform.apps.resource import APPS
from pilothouse.platform.builds.resource import BUILDS
from pilothouse.platform.gateway import classes

INGRESSES, INGRESS_CLASSES = "ingresses.networking.k8s.io", "ingressclasses.networking.k8s.io"


def secret_readers() -> tuple[SecretReader, ...]:
    return (
        SecretReader(rights.GATEWAY_USER, INGRESSES, classes.tls_secrets, beside=INGRESS_CLASSES, counts=classes.is_served),
        SecretReader(rights.account(rights.APPS), APPS.group_resource, secrets_of, made_by_itself=COPIES),
        SecretReader(rights.account(rights.BUILDS), BUILDS.group_resource, _credentials),
    )


def _credentials(build: Object) -> list[str]:
    """The Secret with the credentials of the repository that the Build clones."""
    secret = (build["spec"].get("source", {}).get("git") or {}).get("secret")
    return [secret] if secret else []
