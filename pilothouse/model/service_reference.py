"""A port of a Service, as configurations of webhooks and APIServices name it."""

from dataclasses import dataclass

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class ServiceReference:
    """port: of the Service, not of its pods."""

    namespace: str
    name: str
    port: int = HTTPS_PORT

    @property
    def host(self) -> str:
        """The name that the certificate of whoever answers has to carry."""
        return f"{self.name}.{self.namespace}.svc"
