"""Tokens of a pod's service account for drivers that ask for them (CSIDriver.spec.tokenRequests)."""

from collections.abc import Callable

from pilothouse.engine.node.csi.sources import CsiSources
from pilothouse.engine.node.csi.wanted import TOKENS
from pilothouse.engine.node.pod.sources import Token
from pilothouse.model import meta
from pilothouse.model.json import Object, dumps

DEFAULT_S = 3600


class Tokens:
    """Keeps them until they are to be renewed: a driver that is asked again and again does not cost one each time. clock: the tokens'."""

    def __init__(self, sources: CsiSources, clock: Callable[[], float]) -> None:
        self._sources = sources
        self._clock = clock
        self._kept: dict[str, dict[tuple[str, int], Token]] = {}

    def forget(self, uid: str) -> None:
        """The pod of that uid has ended."""
        self._kept.pop(uid, None)

    async def of(self, pod: Object, about: Object | None) -> dict[str, str]:
        """As the driver reads them, below one name; empty where it asks for none. about: the CSIDriver. Raises ApiError."""
        asked = ((about or {}).get("spec") or {}).get("tokenRequests") or ()
        if not asked:
            return {}
        found = {}
        for each in asked:
            audience = each.get("audience") or ""
            token = await self._token(pod, audience, each.get("expirationSeconds") or DEFAULT_S)
            found[audience] = {"token": token.text, "expirationTimestamp": token.expires}
        return {TOKENS: dumps(found).decode()}

    async def _token(self, pod: Object, audience: str, seconds: int) -> Token:
        kept = self._kept.setdefault(meta.uid(pod), {})
        known = kept.get((audience, seconds))
        if known is None or self._clock() >= known.refresh_at:
            known = kept[audience, seconds] = await self._sources.token(pod, audience, seconds)
        return known
