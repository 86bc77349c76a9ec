"""Which transport a short-lived command takes to a cluster."""

from pilothouse.client.direct import DirectTransport
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.client.proxy import proxy_for
from pilothouse.client.transport import Transport


def transport_to(kubeconfig: Kubeconfig) -> Transport:
    """The quick one, or the one that knows proxies where one is between."""
    if kubeconfig.proxy_url or proxy_for(kubeconfig.server):
        from pilothouse.client.http import HttpTransport

        return HttpTransport(kubeconfig)
    return DirectTransport(kubeconfig)
