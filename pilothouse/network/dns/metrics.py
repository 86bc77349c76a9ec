"""Figures of the DNS server, among those of the node's process; names and labels as CoreDNS has them.

Source: CoreDNS 1.11, pages of the plug-ins metrics, cache and forward.
"""

from collections import Counter as Counts

from pilothouse.aio.meters import Counter, Histogram, Lines, labelled

_DURATION_BOUNDS_S = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192)
SERVER, ZONE = "dns://:53", "."

FORWARDED = Histogram("coredns_proxy_request_duration_seconds", "Time until another server's answer.", _DURATION_BOUNDS_S, "to", "rcode")
FAILED = Counter("coredns_proxy_healthcheck_failures_total", "Questions that another server has not answered.", "to")
CACHE_HITS = Counter("coredns_cache_hits_total", "Answers out of the cache.", "type")
CACHE_MISSES = Counter("coredns_cache_misses_total", "Questions without an answer in the cache.")
STALE = Counter("coredns_cache_served_stale_total", "Answers whose time was over, while no server answered.")
AUTOPATH = Counter("coredns_autopath_success_total", "Questions answered by another name of the asker's search path.")
RELOADS = Counter("coredns_reload_total", "Configurations taken.")
RELOADS_FAILED = Counter("coredns_reload_failed_total", "Configurations refused.")

DURATION = Histogram("coredns_dns_request_duration_seconds", "Time from a question to its answer.", _DURATION_BOUNDS_S)
"""Bounds in seconds."""

requests: Counts[tuple[str, int, int]] = Counts()
"""By protocol ("udp", "tcp"), IP family (1, 2) and type of the question. Counted in the event loop alone, where a lock would cost."""
responses: Counts[int] = Counts()
"""By code."""
_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 255: "ANY", 65: "HTTPS", 64: "SVCB"}
_CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def _requests() -> list[str]:
    shown: Counts[tuple[str, str, str]] = Counts()
    for (protocol, family, type_), count in requests.items():
        shown[str(family), protocol, _TYPES.get(type_, "other")] += count
    lines = ["# HELP coredns_dns_requests_total Questions.", "# TYPE coredns_dns_requests_total counter"]
    for values, count in sorted(shown.items()):
        labels = labelled(("family", "proto", "server", "type", "zone"), (values[0], values[1], SERVER, values[2], ZONE))
        lines.append(f"coredns_dns_requests_total{labels} {count}")
    return lines


def _responses() -> list[str]:
    lines = ["# HELP coredns_dns_responses_total Answers.", "# TYPE coredns_dns_responses_total counter"]
    for code, count in sorted(responses.items()):
        labels = labelled(("rcode", "server", "zone"), (_CODES.get(code, str(code)), SERVER, ZONE))
        lines.append(f"coredns_dns_responses_total{labels} {count}")
    return lines


Lines("coredns_dns_requests_total", _requests)
Lines("coredns_dns_responses_total", _responses)
