"""Links of who is behind a proxy, changed so that they lead through it. Pure. Source: apimachinery/pkg/util/proxy/transport.go."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

Rewrite = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Links:
    """prefix: the path of the proxy, without a slash at its end. backend: host and port that were asked. host: by which the client asks."""

    prefix: str
    backend: str
    host: str

    def through(self, link: str) -> str:
        """A link as the client has to follow it. Relative ones, and those to other hosts, stay as they are."""
        try:
            parts = urlsplit(link)
        except ValueError:
            return link
        is_elsewhere = bool(parts.netloc) and parts.netloc not in (self.backend, self.host)
        if is_elsewhere or not parts.path.startswith("/"):
            return link
        if parts.netloc != self.host or not self.host:
            parts = parts._replace(scheme="", netloc="")
        if not _is_below(parts.path, self.prefix):
            parts = parts._replace(path=self.prefix + parts.path)
        return urlunsplit(parts)


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")
