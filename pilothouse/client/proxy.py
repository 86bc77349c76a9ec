"""The HTTP proxy that the environment wants for a server, by the rules of kubectl: never for this machine itself."""

import ipaddress
from urllib.parse import urlsplit


def proxy_for(server: str) -> str | None:
    """From $HTTPS_PROXY or $HTTP_PROXY, unless $NO_PROXY names the host."""
    address = urlsplit(server)
    host = address.hostname or ""
    if _is_local(host):
        return None
    # Here, since it costs a command on this machine more time than its request does.
    import urllib.request

    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(address.scheme)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
