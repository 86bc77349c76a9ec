"""TLS contexts for both ends: TLS 1.2 and later, HTTP/1.1 by ALPN (clients that prefer HTTP/2 fall back).

Certificates and keys are given as file paths or as PEM bytes, since a kubeconfig may carry either.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Pem = str | Path | bytes
"""A PEM file's path, or its content as bytes."""


def server_context(certificate: Pem, key: Pem, client_ca: Pem | None = None) -> ssl.SSLContext:
    """For serving. With client_ca, a client may show a certificate, which must then be signed by that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, certificate, key)
    # A resumed session would keep a client certificate alive that has expired since it was shown.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        _trust(context, client_ca)
    return _common(context)


def client_context(ca: Pem | None = None, certificate: Pem | None = None, key: Pem | None = None) -> ssl.SSLContext:
    """For connecting. ca: the only authority trusted; None trusts the system's. The server's name is always checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.load_default_certs()
    else:
        _trust(context, ca)
    if certificate is not None:
        _load_pair(context, certificate, certificate if key is None else key)
    return _common(context)


def _common(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _trust(context: ssl.SSLContext, ca: Pem) -> None:
    if isinstance(ca, bytes):
        context.load_verify_locations(cadata=ca.decode("ascii"))
    else:
        context.load_verify_locations(cafile=ca)


def load_again(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Serves another certificate from now on: connections that come find it, those that are open go on. Blocking.

    Raises OSError (ssl.SSLError among them) and leaves the context as it was when the files do not belong together, as while somebody
    writes them.
    """
    pair = certificate.read_bytes(), key.read_bytes()
    _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), *pair)
    _load_pair(context, *pair)


def _load_pair(context: ssl.SSLContext, certificate: Pem, key: Pem) -> None:
    with _as_path(certificate) as certificate_path, _as_path(key) as key_path:
        context.load_cert_chain(certificate_path, key_path)


@contextmanager
def _as_path(pem: Pem) -> Iterator[str]:
    """A path to read the PEM from; bytes get one in memory, for OpenSSL takes keys from files only."""
    if not isinstance(pem, bytes):
        yield str(pem)
        return
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
