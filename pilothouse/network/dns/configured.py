"""The configuration of a running cluster: the key Corefile of the ConfigMap kube-system/coredns.

A Corefile that cannot be carried out changes nothing: an Event on the ConfigMap names line and word, and what held before goes on to hold,
also over a restart: the last text that was taken is kept in a file. Without the ConfigMap, or without the key, what holds by default does.
"""

import os
from collections.abc import Callable
from contextlib import suppress

import structlog

from pilothouse.client.informer import Informer
from pilothouse.client.recorder import Recorder
from pilothouse.model.json import Object
from pilothouse.network.dns import metrics
from pilothouse.network.dns.config import ClusterDNSConfig
from pilothouse.network.dns.corefile import Configuration, CorefileError, default, parse

log = structlog.get_logger("network.dns")
KEY = "Corefile"
NOT_TAKEN, TAKEN = "CorefileNotTaken", "CorefileTaken"


class Configured:
    """maps: the informer of the one ConfigMap. take: is given what holds from now on, at once when there is one already."""

    def __init__(self, maps: Informer, config: ClusterDNSConfig, recorder: Recorder | None, take: Callable[[Configuration], None]) -> None:
        self._config = config
        self._recorder = recorder
        self._take = take
        self._maps = maps
        self._text: str | None = None
        self._refused = False
        self._holds = "the defaults hold"
        # Names are answered before the API server is, and after a Corefile that is wrong.
        self._take_kept()
        maps.on_change(self._changed)

    async def run(self) -> None:
        """Gives up what held before a start when there is no ConfigMap any more."""
        await self._maps.wait_synced()
        if self._text is None:
            self._follow(None)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        shown = new or old
        if shown is None:
            return
        data = {} if new is None else new.get("data") or {}
        text = data.get(KEY)
        if text is None and data:
            self._warn(shown, f"There is no key {KEY}, but {', '.join(sorted(data)[:5])}: the defaults hold.")
        if text != self._text:
            self._text = text
            self._follow(text, shown)

    def _follow(self, text: str | None, shown: Object | None = None) -> None:
        if text is None or shown is None:
            self._keep(None)
            self._take(default(self._config.ttl_s))
            return
        try:
            configuration = self._parse(text)
        except CorefileError as error:
            self._say_refused(shown, str(error))
            return
        self._keep(text)
        metrics.RELOADS.add()
        log.info("configuration taken", blocks=len(configuration.blocks))
        self._take(configuration)
        if self._refused:
            self._refused = False
            self._say(shown, "Normal", TAKEN, f"Node {self._config.node} follows the Corefile again.")

    def _parse(self, text: str) -> Configuration:
        return parse(text, self._config.zone, self._config.ttl_s)

    def _take_kept(self) -> None:
        if self._config.kept is None:
            return
        try:
            kept = self._parse(self._config.kept.read_text())
        except (OSError, ValueError, CorefileError) as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("the Corefile that held before is not taken", why=str(error))
            return
        self._holds = "what held before goes on to hold"
        self._take(kept)

    def _keep(self, text: str | None) -> None:
        self._holds = "the defaults hold" if text is None else "what held before goes on to hold"
        path = self._config.kept
        if path is None:
            return
        if text is None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return
        fresh = path.with_suffix(".new")
        try:
            with fresh.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            log.warning("the Corefile is not kept for the next start", why=str(error))

    def _say_refused(self, shown: Object, why: str) -> None:
        self._refused = True
        metrics.RELOADS_FAILED.add()
        log.warning("configuration not taken", why=why)
        self._warn(shown, f"The Corefile is not taken, and {self._holds}. {why[:1].upper()}{why[1:]}.")

    def _warn(self, shown: Object, message: str) -> None:
        self._say(shown, "Warning", NOT_TAKEN, f"Node {self._config.node}: {message}")

    def _say(self, shown: Object, kind: str, reason: str, message: str) -> None:
        if self._recorder is not None:
            self._recorder.say(about(shown), kind, reason, message)


def about(config_map: Object) -> Object:
    """As Events name it: what a list gives has no kind of its own."""
    return {"apiVersion": "v1", "kind": "ConfigMap", **config_map}
