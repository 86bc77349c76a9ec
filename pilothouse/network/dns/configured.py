"""The configuration of a running cluster: the key Corefile of the ConfigMap kube-system/coredns.

A Corefile that cannot be carried out changes nothing: an Event on the ConfigMap names line and word, and what held before goes on to hold.
Without the ConfigMap, or without the key, what holds by default does.
"""

from collections.abc import Callable

import structlog

from pilothouse.client.informer import Informer
from pilothouse.client.recorder import Recorder
from pilothouse.model.json import Object
from pilothouse.network.dns import metrics
from pilothouse.network.dns.config import ClusterDNSConfig
from pilothouse.network.dns.corefile import Configuration, CorefileError, default, parse

log = structlog.get_logger("network.dns")
KEY = "Corefile"
NOT_TAKEN = "CorefileNotTaken"


class Configured:
    """maps: the informer of the one ConfigMap. take: is given what holds from now on, at once when there is one already."""

    def __init__(self, maps: Informer, config: ClusterDNSConfig, recorder: Recorder | None, take: Callable[[Configuration], None]) -> None:
        self._config = config
        self._recorder = recorder
        self._take = take
        self._text: str | None = None
        maps.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        shown = new or old
        if shown is None:
            return
        text = None if new is None else (new.get("data") or {}).get(KEY)
        if text == self._text:
            return
        self._text = text
        if text is None:
            self._take(default(self._config.ttl_s))
            return
        try:
            configuration = parse(text, self._config.zone, self._config.ttl_s)
        except CorefileError as error:
            self._refused(shown, str(error))
            return
        metrics.RELOADS.add()
        log.info("configuration taken", blocks=len(configuration.blocks))
        self._take(configuration)

    def _refused(self, shown: Object, why: str) -> None:
        metrics.RELOADS_FAILED.add()
        log.warning("configuration not taken", why=why)
        if self._recorder is not None:
            message = f"The Corefile is not taken, and what held before goes on to hold. {why[:1].upper()}{why[1:]}."
            self._recorder.say(about(shown), "Warning", NOT_TAKEN, message)


def about(config_map: Object) -> Object:
    """As Events name it: what a list gives has no kind of its own."""
    return {"apiVersion": "v1", "kind": "ConfigMap", **config_map}
