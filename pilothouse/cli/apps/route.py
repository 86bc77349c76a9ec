"""Whether an app answers at its URL: asked once through the gateway, as a browser would."""

import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import click

from pilothouse.cli.session import Session
from pilothouse.cli.settings.home import Settings
from pilothouse.platform.apps.answers import ANSWER_S, ask, is_good

PATIENCE_S = 10.0
"""So long an app that is ready may answer with server errors."""


@dataclass(slots=True)
class Route:
    """The way through this machine's gateway. address: where it listens.

    fault: what came instead of an answer the last time. since: when it was asked first, seconds of the monotonic clock.
    """

    address: str
    fault: str = ""
    _since: float | None = field(default=None)

    async def is_answered(self, url: str) -> bool:
        self._since = time.monotonic() if self._since is None else self._since
        split = urlsplit(url)
        try:
            status = await ask(self.address, split.port or 80, split.netloc)
        except TimeoutError:
            self.fault = f"nothing is answered at {url}/ within {ANSWER_S:g} s"
        except OSError as error:
            self.fault = f"the connection to {url} fails: {error.strerror or error}"
        else:
            self.fault = "" if is_good(status) else f"GET {url}/ is answered with {status}"
        return not self.fault

    @property
    def is_hopeless(self) -> bool:
        return bool(self.fault) and self._since is not None and time.monotonic() - self._since > PATIENCE_S


def gateway() -> Route | None:
    """The one of the command's own instance; None for a foreign cluster, whose gateway may be out of reach."""
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context is not None else None
    if session is None or session.kubeconfig != session.home.kubeconfig:
        return None
    settings = Settings.load(session.home)
    if settings is None or not settings.platform:
        return None
    return Route("127.0.0.1" if settings.listen in ("0.0.0.0", "::") else settings.listen)  # noqa: S104 - compared, not bound
