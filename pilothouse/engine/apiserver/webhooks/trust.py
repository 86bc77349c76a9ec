"""TLS contexts for webhooks, by the authorities that a configuration states. Making one takes milliseconds: it is done in a thread.

Certificates are judged as upstream's client does it: names come from subjectAltName alone, and a certificate of the bundle is trusted
whether it is a root or not.
"""

import asyncio
import hashlib
import ssl
from collections import OrderedDict

from pilothouse.engine.apiserver.webhooks.failures import Unusable

_MOST_CONTEXTS = 200


class Trust:
    def __init__(self) -> None:
        self._contexts: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    async def context(self, authorities: bytes) -> ssl.SSLContext:
        """authorities: PEM, b"" for the machine's own. Raises Unusable for a bundle without a certificate."""
        key = hashlib.sha256(authorities).digest()
        found = self._contexts.get(key)
        if found is None:
            found = await asyncio.to_thread(new_context, authorities)
            self._contexts[key] = found
            if len(self._contexts) > _MOST_CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(key)
        return found


def new_context(authorities: bytes) -> ssl.SSLContext:
    """Blocking. authorities: as above. Raises Unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if not authorities:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise Unusable("unable to load root certificates: unable to parse bytes as PEM block", code=500) from error
    return context
