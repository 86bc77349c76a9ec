"""What the service proxy counts, under kube-proxy's names. Source: Kubernetes, pkg/proxy/metrics."""

import time
from collections.abc import Sized

from pilothouse.aio.meters import Counter, Gauge, Histogram, Lines, labelled
from pilothouse.network.service.rules import Outcome, Rules

_SYNC = "kubeproxy_sync_proxy_rules"
DURATION = Histogram(
    f"{_SYNC}_duration_seconds",
    "From changes of Services and endpoints that were seen to the rules in the kernel.",
    tuple(0.001 * 2**number for number in range(15)),
)
KERNEL_SECONDS = Counter("pilothouse_service_proxy_nftables_seconds_total", "For how long nftables took transactions of services.")
FAILURES = Counter(f"{_SYNC}_nftables_sync_failures_total", "Transactions of rules of services that nftables refused.")
SERVICE_CHANGES = Counter(f"{_SYNC}_service_changes_total", "Changes of Services that were seen.")
ENDPOINT_CHANGES = Counter(f"{_SYNC}_endpoint_changes_total", "Changes of EndpointSlices that were seen.")
LAST = Gauge(f"{_SYNC}_last_timestamp_seconds", "When rules of services were last brought to the kernel, since unix epoch in seconds.")
PENDING = Gauge(f"{_SYNC}_service_changes_pending", "Services whose changes are not yet in the kernel.")
ELEMENTS = Gauge("pilothouse_service_proxy_elements", "Elements that services have in maps of nftables.")
_NO_LOCAL = f"{_SYNC}_no_local_endpoints_total"
_no_local: dict[str, int] = {}


def _no_local_lines() -> list[str]:
    head = [
        f"# HELP {_NO_LOCAL} Services with a traffic policy Local that have endpoints, but none on this node.",
        f"# TYPE {_NO_LOCAL} gauge",
    ]
    return head + [f"{_NO_LOCAL}{labelled(('traffic_policy',), (policy,))} {count}" for policy, count in sorted(_no_local.items())]


NO_LOCAL = Lines(_NO_LOCAL, _no_local_lines)


def read(rules: Rules, pending: Sized) -> None:
    """From now on these are what is shown."""
    PENDING.reads(lambda: len(pending))
    ELEMENTS.reads(lambda: rules.elements)


def count(outcome: Outcome, took_s: float) -> None:
    """took_s: from the changes on, with the transaction."""
    _no_local.update(outcome.local_only)
    if not outcome.done:
        FAILURES.add()
    elif outcome.nft_s:
        DURATION.observe(took_s)
        KERNEL_SECONDS.add(by=outcome.nft_s)
        now = time.time()
        LAST.reads(lambda: now)
