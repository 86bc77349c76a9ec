"""Whether the cluster knows a home as a node of it.

A first start that does not succeed leaves nothing on the machine. But once a node has asked for its certificate, the cluster has its name:
who came anew would be a stranger under a name that is taken, so that from then on a start is gone on with, and not begun again.
"""

from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.client.certificates.files import waiting_at
from pilothouse.engine.identities import NODE, Identities


def is_known(home: Home) -> bool:
    """False for a cluster of its own, and for settings that cannot be read."""
    try:
        settings = Settings.load(home)
    except SettingsError:
        return False
    own = Identities(home.pki).kubeconfig(NODE)
    return settings is not None and bool(settings.server) and (own.exists() or waiting_at(own).exists())
