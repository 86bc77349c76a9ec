"""Who asks: what authentication finds out and everything after it relies on."""

from dataclasses import dataclass, field

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
SERVICE_ACCOUNTS = "system:serviceaccounts"
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated (or anonymous) user. extra: what authorizers and reviews show beside name and groups."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups

    @property
    def node(self) -> str | None:
        """The name of the node whose agent this is, None for everybody else."""
        if NODES not in self.groups or not self.name.startswith(NODE_PREFIX):
            return None
        return self.name.removeprefix(NODE_PREFIX)

    def to_info(self) -> dict[str, object]:
        """The `UserInfo` of reviews; empty fields are left out."""
        shown = {"username": self.name, "uid": self.uid, "groups": list(self.groups), "extra": self.extra}
        return {key: value for key, value in shown.items() if value}


CONTROLLER_MANAGER = User("system:kube-controller-manager", (AUTHENTICATED,))
SCHEDULER = User("system:kube-scheduler", (AUTHENTICATED,))
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def service_account(namespace: str, name: str, uid: str = "", extra: dict[str, list[str]] | None = None) -> User:
    """The user that a token of this service account stands for."""
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
    return User(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}", groups, uid, extra or {})


def controller(name: str) -> User:
    """The user that a controller of the cluster's own works as: a service account in kube-system, as upstream's has."""
    return service_account("kube-system", name)
