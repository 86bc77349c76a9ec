"""Where a webhook listens, as the `clientConfig` of a configuration or a definition states it."""

import base64
from dataclasses import dataclass
from urllib.parse import urlsplit

from pilothouse.model.json import Object
from pilothouse.model.service_reference import HTTPS_PORT, ServiceReference


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """url: what is asked for, and what messages show; of a Service, with its host name. service: None for a webhook with a URL.

    authorities: PEM certificates that vouch for the webhook, b"" for those of the machine.
    """

    url: str
    service: ServiceReference | None = None
    authorities: bytes = b""

    @classmethod
    def of(cls, config: Object) -> "WebhookTarget":
        """Of a `clientConfig` that has been validated."""
        authorities = base64.b64decode(config.get("caBundle") or "")
        stated = config.get("service")
        if stated is None:
            parts = urlsplit(config["url"])
            return cls(f"{parts.scheme}://{parts.netloc}{_path(parts.path)}", None, authorities)
        service = ServiceReference(stated["namespace"], stated["name"], stated.get("port") or HTTPS_PORT)
        return cls(f"https://{service.host}:{service.port}{_path(stated.get('path') or '')}", service, authorities)

    def with_timeout(self, timeout_s: float) -> str:
        """The URL of one call: it tells the webhook the whole seconds that it has."""
        return f"{self.url}?timeout={-int(-timeout_s // 1)}s"


def _path(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
