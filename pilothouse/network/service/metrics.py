"""What the service proxy counts, under kube-proxy's names. Source: Kubernetes, pkg/proxy/metrics."""

import time
from collections.abc import Sized

from pilothouse.aio.meters import Counter, Gauge
from pilothouse.network.service.rules import Outcome, Rules

_SYNC = "kubeproxy_sync_proxy_rules"
SYNCS = Counter(f"{_SYNC}_total", "Transactions that brought rules of services to the kernel.")
SYNC_SECONDS = Counter(f"{_SYNC}_seconds_total", "For how long the kernel took transactions of rules of services, together.")
FAILURES = Counter(f"{_SYNC}_nftables_sync_failures_total", "Transactions of rules of services that nftables refused.")
SERVICE_CHANGES = Counter(f"{_SYNC}_service_changes_total", "Changes of Services that were seen.")
ENDPOINT_CHANGES = Counter(f"{_SYNC}_endpoint_changes_total", "Changes of EndpointSlices that were seen.")
LAST = Gauge(f"{_SYNC}_last_timestamp_seconds", "When rules of services were last brought to the kernel, since unix epoch in seconds.")
PENDING = Gauge(f"{_SYNC}_service_changes_pending", "Services whose changes are not yet in the kernel.")
ELEMENTS = Gauge("pilothouse_service_proxy_elements", "Elements that services have in maps of nftables.")
INTERNAL = Gauge(f"{_SYNC}_no_local_endpoints_internal", "Services with internalTrafficPolicy Local that have endpoints, but none here.")
EXTERNAL = Gauge(f"{_SYNC}_no_local_endpoints_external", "Services with externalTrafficPolicy Local that have endpoints, but none here.")


def read(rules: Rules, pending: Sized) -> None:
    """From now on these are what is shown."""
    PENDING.reads(lambda: len(pending))
    ELEMENTS.reads(lambda: rules.elements)
    INTERNAL.reads(lambda: rules.local_only["internal"])
    EXTERNAL.reads(lambda: rules.local_only["external"])


def count(outcome: Outcome) -> None:
    if not outcome.done:
        FAILURES.add()
    elif outcome.nft_s:
        SYNCS.add()
        SYNC_SECONDS.add(by=outcome.nft_s)
        now = time.time()
        LAST.reads(lambda: now)
