"""Which transport a command or a node takes to a cluster."""

from pilothouse.client.credentials import Reload
from pilothouse.client.direct import DirectTransport
from pilothouse.client.kubeconfig import Kubeconfig
from pilothouse.client.proxy import proxy_for
from pilothouse.client.transport import Transport


def transport_to(kubeconfig: Kubeconfig, *, reload: Reload | None = None) -> Transport:
    """The lean one, or the one that knows proxies where one is between. reload: see CredentialSource."""
    if kubeconfig.proxy_url or proxy_for(kubeconfig.server):
        from pilothouse.client.http import HttpTransport

        return HttpTransport(kubeconfig, reload=reload)
    return DirectTransport(kubeconfig, reload=reload)
