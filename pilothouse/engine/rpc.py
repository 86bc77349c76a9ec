"""gRPC channels to sockets of this machine: the container runtime's and the storage drivers'.

The settings of gRPC are written here once. Importing this module loads gRPC, which only what runs on a node may do:
the control plane goes without.
"""

import os

# The agent starts programs while calls are under way; gRPC's fork handlers would only warn that they cannot help with that.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc

MAX_MESSAGE = 16 * 1024 * 1024
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A socket of this machine has no bandwidth to be probed: each probe wakes threads at both ends.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.initial_reconnect_backoff_ms", 20),
    # However it is called: how long an attempt to connect may take. A busy containerd accepts long before it answers.
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


CallError = grpc.aio.AioRpcError
"""What a call raises that did not succeed: code() and details() say why."""


def open_channel(target: str) -> grpc.aio.Channel:
    """A channel to HOST:PORT or unix:///PATH; it connects with the first call, and anew after the server has gone.

    Made inside a running event loop and closed by the caller.
    """
    return grpc.aio.insecure_channel(target, options=OPTIONS)
