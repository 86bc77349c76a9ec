"""Where the API server does not look for a node, whatever the Node says."""

from pathlib import Path

import pytest

from pilothouse.engine.apiserver.kubelet.proxy import KubeletProxy
from pilothouse.model.errors import Unavailable


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.1", "localhost"])
async def test_a_node_leads_the_api_server_neither_to_itself_nor_to_its_machines_loopback(address: str, tmp_path: Path) -> None:
    proxy = KubeletProxy((tmp_path / "crt", tmp_path / "key"), tmp_path / "ca", {"first": "127.0.0.1"}, ["192.0.2.1"])
    node = {"metadata": {"name": "n"}, "status": {"addresses": [{"type": "InternalIP", "address": address}]}}
    with pytest.raises(Unavailable, match="which is no node's"):
        await proxy.connect(node)
