"""An APIService with a service, as the other parts need it. Pure."""

import base64
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.service_reference import ServiceReference

AVAILABLE = "Available"


@dataclass(frozen=True, slots=True)
class Registration:
    """Of one version of one group.

    authorities: PEM certificates that vouch for the server, b"" for those of the machine. is_verified: whether anybody has to vouch for it.
    is_available: what its condition says; why: the condition's message. uid: of the APIService, as another one may have its name later.
    """

    name: str
    uid: str
    group: str
    version: str
    service: ServiceReference
    authorities: bytes = b""
    is_verified: bool = True
    group_priority: int = 0
    version_priority: int = 0
    is_available: bool = False
    why: str = ""

    @classmethod
    def of(cls, obj: Object) -> "Registration | None":
        """Of an APIService of the store; None for one without a service."""
        spec, metadata = obj["spec"], obj["metadata"]
        service = spec.get("service")
        if service is None:
            return None
        condition = meta.condition(obj, AVAILABLE) or {}
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            group=spec.get("group") or "",
            version=spec["version"],
            service=ServiceReference(service["namespace"], service["name"], service["port"]),
            authorities=base64.b64decode(spec.get("caBundle") or ""),
            is_verified=not spec.get("insecureSkipTLSVerify"),
            group_priority=spec["groupPriorityMinimum"],
            version_priority=spec["versionPriority"],
            is_available=condition.get("status") == "True",
            why=condition.get("message") or "",
        )

    @property
    def path(self) -> str:
        """Of its discovery document, which every such server has."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def url(self) -> str:
        return f"https://{self.service.host}:{self.service.port}{self.path}"
