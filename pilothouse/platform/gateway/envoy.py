"""The gateway's Envoy configuration as the xDS resources of Envoy's v3 API (pure).

Listeners, routes and clusters are each one resource file, endpoints one file a cluster, certificates one file for the hosts
that each serves: so a changed route or a renewed certificate closes no connection and a changed endpoint touches no cluster.
Ordinary applications decide the settings: paths, methods, Host and large headers pass unaltered, nothing is cut off after a
time, and a protocol upgrade is passed on or ignored, as RFC 9110 (7.8) leaves it to a server, but never answered with an error.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.model.json import Object
from pilothouse.platform.gateway.routes import Certificate, Endpoint, Route, Table

_TYPE = "type.googleapis.com/envoy"
_HTTP = f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_TYPE}.extensions.filters.http.router.v3.Router"
_UPSTREAM = f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS = f"{_TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_SECRET = f"{_TYPE}.extensions.transport_sockets.tls.v3.Secret"
_INSPECTOR = f"{_TYPE}.extensions.filters.listener.tls_inspector.v3.TlsInspector"
_PREVIOUS_HOSTS = f"{_TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_MAX_HEADERS_KB = 96
_METADATA = "pilothouse"
UPGRADES = ("websocket",)
"""Passed on to the application. Any other (h2c, TLS/1.2, ...) is ignored: the request goes on as plain HTTP/1.1."""
_UPSTREAM_IDLE = "1.5s"
"""Shorter than the keep-alive of the common servers (2 s and up): a request never meets a connection that is just closing."""


@dataclass(frozen=True, slots=True)
class Listening:
    """addresses: to bind. Ports of the two listeners. shown: where clients reach them, for the status of Ingresses."""

    addresses: tuple[str, ...]
    http_port: int
    https_port: int
    shown: tuple[str, ...] = ("127.0.0.1",)

    @property
    def ports(self) -> tuple[int, int]:
        return (self.http_port, self.https_port)


@dataclass(frozen=True, slots=True)
class Files:
    """Where the resources lie."""

    folder: Path

    @property
    def bootstrap(self) -> Path:
        return self.folder / "bootstrap.json"

    @property
    def listeners(self) -> Path:
        return self.folder / "listeners.json"

    @property
    def routes(self) -> Path:
        return self.folder / "routes.json"

    @property
    def clusters(self) -> Path:
        return self.folder / "clusters.json"

    @property
    def admin(self) -> Path:
        return self.folder / "admin.sock"

    def endpoints(self, cluster: str) -> Path:
        """A file name that any cluster name fits in."""
        return self.folder / "endpoints" / f"{hashlib.sha256(cluster.encode()).hexdigest()[:24]}.json"

    def certificate(self, hosts: Iterable[str]) -> Path:
        """By the hosts that it serves: a renewed one comes under the same name."""
        return self.folder / "certificates" / f"{hashlib.sha256(' '.join(hosts).encode()).hexdigest()[:24]}.json"


def _source(path: Path) -> Object:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def bootstrap(files: Files, instance: str) -> Object:
    return {
        "node": {"id": f"gateway-{instance}", "cluster": "pilothouse"},
        "admin": {"address": {"pipe": {"path": str(files.admin), "mode": 0o600}}},
        "dynamic_resources": {"lds_config": _source(files.listeners), "cds_config": _source(files.clusters)},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 20000,
                    },
                }
            ]
        },
    }


def listeners(certificates: Iterable[Certificate], listening: Listening, files: Files) -> list[Object]:
    """certificates: each host in at most one of them; the one for "*" serves whoever asks for another name or for none."""
    plain = _listener("http", listening.addresses, listening.http_port, [{"filters": [_connection_manager("http", files)]}])
    chains = [_tls_chain(certificate, files) for certificate in certificates]
    if not chains:
        return [plain]
    secure = _listener("https", listening.addresses, listening.https_port, chains)
    secure["listener_filters"] = [{"name": "tls_inspector", "typed_config": {"@type": _INSPECTOR}}]
    return [plain, secure]


def _listener(name: str, addresses: tuple[str, ...], port: int, chains: list[Object]) -> Object:
    first, *others = [{"socket_address": {"address": address, "port_value": port}} for address in addresses]
    return {
        "@type": f"{_TYPE}.config.listener.v3.Listener",
        "name": name,
        "address": first,
        "additional_addresses": [{"address": address} for address in others],
        "filter_chains": chains,
        "per_connection_buffer_limit_bytes": 1 << 20,
    }


def _connection_manager(name: str, files: Files) -> Object:
    config: Object = {
        "@type": _HTTP,
        "stat_prefix": name,
        "rds": {
            "route_config_name": "routes",
            "config_source": _source(files.routes),
        },
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True}}],
        "upgrade_configs": [{"upgrade_type": name} for name in UPGRADES],
        "local_reply_config": {"mappers": [_sentence("UH", "unavailable"), _sentence("UF", "unreachable")]},
        "use_remote_address": True,
        "max_request_headers_kb": _MAX_HEADERS_KB,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": "0s",
        "request_timeout": "0s",
        "delayed_close_timeout": "1s",
        "common_http_protocol_options": {"idle_timeout": "3600s", "max_headers_count": 1000},
        "http_protocol_options": {
            "accept_http_10": True,
            "ignore_http_11_upgrade": [{"safe_regex": {"regex": other_than(UPGRADES)}}],
        },
        "normalize_path": False,
        "merge_slashes": False,
    }
    return {"name": "http", "typed_config": config}


def _sentence(flag: str, name: str) -> Object:
    """Envoy's own answer under a response flag becomes the sentence of that name in the route's metadata."""
    text = {"inline_string": f"%RESPONSE_CODE%: %METADATA(ROUTE:{_METADATA}:{name})%\n"}
    return {
        "filter": {"response_flag_filter": {"flags": [flag]}},
        "body_format_override": {"text_format_source": text, "content_type": "text/plain; charset=utf-8"},
    }


def other_than(words: Iterable[str]) -> str:
    """A regular expression, without look-ahead (RE2 has none), for every text that is none of the words, whatever their case."""
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for letter in word.lower():
            node = node.setdefault(letter, {})
        node[""] = {}
    return f"(?i){_others(tree)}"


def _others(tree: Mapping[str, Any]) -> str:
    letters = [letter for letter in tree if letter]
    ways = [f"[^{''.join(map(_in_class, letters))}].*" if letters else ".+"]
    ways += [f"{re.escape(letter)}(?:{_others(tree[letter])})" for letter in letters]
    return "|".join(ways if "" in tree else ["", *ways])


def _in_class(letter: str) -> str:
    return f"\\{letter}" if letter in "\\^]-" else letter


def secret(certificate: Certificate, files: Files) -> Object:
    """What the listener's chain for the certificate's hosts refers to."""
    pair = certificate.pair
    shown = {"certificate_chain": {"inline_string": pair.chain}, "private_key": {"inline_string": pair.key}}
    return {"@type": _SECRET, "name": files.certificate(certificate.hosts).stem, "tls_certificate": shown}


def _tls_chain(certificate: Certificate, files: Files) -> Object:
    path = files.certificate(certificate.hosts)
    context = {
        "@type": _TLS,
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [{"name": path.stem, "sds_config": _source(path)}],
        },
    }
    names = [host for host in certificate.hosts if host != "*"]
    chain: Object = {"filters": [_connection_manager("https", files)], "transport_socket": {"name": "tls", "typed_config": context}}
    return chain | ({"filter_chain_match": {"server_names": names}} if names else {})


def route_configuration(table: Table) -> Object:
    hosts = [_virtual_host(host, routes) for host, routes in table.hosts.items()]
    if "*" not in table.hosts:
        hosts.append({"name": "*", "domains": ["*"], "routes": [_nothing("no route has this host name")]})
    return {
        "@type": f"{_TYPE}.config.route.v3.RouteConfiguration",
        "name": "routes",
        "virtual_hosts": hosts,
        "ignore_port_in_host_matching": True,
    }


def _virtual_host(host: str, routes: tuple[Route, ...]) -> Object:
    return {"name": host, "domains": [host], "routes": [_route(route) for route in routes] + [_nothing("no route has this path")]}


def _nothing(why: str) -> Object:
    return {"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": {"inline_string": f"404: {why}\n"}}}


def _route(route: Route) -> Object:
    retry = {
        # Only what never reached the application: repeating it is always safe.
        "retry_on": "connect-failure,refused-stream,reset-before-request",
        "num_retries": 3,
        "retry_host_predicate": [{"name": "previous", "typed_config": {"@type": _PREVIOUS_HOSTS}}],
        "host_selection_retry_max_attempts": 3,
        "retry_back_off": {"base_interval": "0.02s", "max_interval": "0.2s"},
    }
    action = {"cluster": route.backend.cluster, "timeout": "0s", "idle_timeout": "0s", "retry_policy": retry}
    return {"match": _match(route), "route": action, "metadata": {"filter_metadata": {_METADATA: sentences(route)}}}


def sentences(route: Route) -> dict[str, str]:
    """What is answered when no endpoint takes requests, and when those that should do not accept connections."""
    service = f"service {route.backend.service} in namespace {route.backend.namespace}"
    return {
        "unavailable": route.unavailable or f"no endpoint of {service} is ready",
        "unreachable": f"the endpoints of {service} do not accept connections",
    }


def _match(route: Route) -> Object:
    if route.match == "exact":
        return {"path": route.path}
    trimmed = route.path.rstrip("/")
    return {"path_separated_prefix": trimmed} if trimmed else {"prefix": "/"}


def clusters(table: Table, files: Files) -> list[Object]:
    return [_cluster(name, files) for name in table.endpoints]


def _cluster(name: str, files: Files) -> Object:
    protocol = {
        "@type": _UPSTREAM,
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {
            "idle_timeout": _UPSTREAM_IDLE,
            "max_headers_count": 1000,
            "max_response_headers_kb": _MAX_HEADERS_KB,
        },
    }
    no_limit = {"priority": "DEFAULT", "max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000, "max_retries": 1000}
    return {
        "@type": f"{_TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {
            "service_name": name,
            "eds_config": _source(files.endpoints(name)),
        },
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        # A draining endpoint gets nothing new, even when all are draining.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [no_limit]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }


def assignment(cluster: str, endpoints: Iterable[Endpoint]) -> Object:
    places = [
        {
            "endpoint": {"address": {"socket_address": {"address": e.address, "port_value": e.port}}},
            "health_status": e.health,
        }
        for e in endpoints
    ]
    return {
        "@type": f"{_TYPE}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": places}] if places else [],
    }


def resources(found: list[Object]) -> Object:
    return {"resources": found}
