"""Certificates on their way to Envoy: read from Secrets, and checked by Envoy's own rules before it gets them.

One certificate that Envoy cannot use makes it refuse a whole listener, with the certificates of everybody else. So each pair is
first given to a short-lived Envoy that only validates; what it refuses is left out and named on the Ingress.
"""

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from pilothouse.aio.process import ProcessTimeout, run
from pilothouse.model.json import Object
from pilothouse.platform.gateway.program import envoy_program

log = structlog.get_logger("platform.gateway")
CHECK_TIMEOUT_S = 20.0
CHECKED_AT_ONCE = 32
"""Pairs that one Envoy is asked about: starting it takes longer than any pair, and a pair may have a megabyte."""
_SECRET_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its private key, PEM. digest: names the pair without showing it."""

    chain: str
    key: str = field(repr=False)
    digest: str

    @classmethod
    def of(cls, chain: str, key: str) -> "Pair":
        return cls(chain, key, hashlib.sha256(f"{chain}\0{key}".encode()).hexdigest())


Verdicts = Mapping[str, str]
"""Digest of a pair -> "" when Envoy takes it, else why it does not. A pair that is missing has not been checked yet."""


def pair_of(secret: Object | None) -> Pair | str:
    """The pair in a Secret of type kubernetes.io/tls, or half a sentence on why there is none."""
    data = (secret or {}).get("data") or {}
    if secret is None:
        return "does not exist"
    if missing := [name for name in ("tls.crt", "tls.key") if not data.get(name)]:
        return f"lacks {' and '.join(missing)}"
    if sum(len(data[name]) for name in ("tls.crt", "tls.key")) > _SECRET_BYTES:
        return "has a tls.crt or tls.key of more than a megabyte"
    try:
        return Pair.of(_text(data["tls.crt"]), _text(data["tls.key"]))
    except (binascii.Error, ValueError):
        return "has a tls.crt or tls.key that is no PEM text"


def _text(encoded: str) -> str:
    return base64.b64decode(encoded, validate=True).decode()


class CertificateChecks:
    """Asks a validating Envoy about pairs, many at a time, and remembers its answers for the pairs still in use.

    folder: private to root; the pairs being checked lie there for that moment.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.verdicts: dict[str, str] = {}

    async def check(self, pairs: Iterable[Pair]) -> None:
        """Afterwards each of the pairs has a verdict, but for those about which Envoy gave no answer in time."""
        unknown = [pair for pair in pairs if pair.digest not in self.verdicts]
        for start in range(0, len(unknown), CHECKED_AT_ONCE):
            await self._judge(unknown[start : start + CHECKED_AT_ONCE])

    async def _judge(self, pairs: Sequence[Pair]) -> None:
        """Bisects: good pairs cost one question together, a bad one about log2(pairs) more."""
        refusal = await self._ask(pairs)
        if refusal is None:
            return
        if not refusal:
            self.verdicts.update((pair.digest, "") for pair in pairs)
        elif len(pairs) == 1:
            self.verdicts[pairs[0].digest] = explain(pairs[0], refusal)
        else:
            middle = len(pairs) // 2
            await self._judge(pairs[:middle])
            await self._judge(pairs[middle:])

    def forget_others(self, pairs: Iterable[Pair]) -> None:
        """Keep the verdicts of these pairs alone."""
        kept = {pair.digest for pair in pairs}
        self.verdicts = {digest: verdict for digest, verdict in self.verdicts.items() if digest in kept}

    async def _ask(self, pairs: Sequence[Pair]) -> str | None:
        """What Envoy says against a configuration with these pairs, "" for nothing; None when it did not get to an answer."""
        path = self._folder / "check.json"
        argv = [envoy_program(), "--mode", "validate", "--config-path", str(path), "--log-level", "critical"]
        try:
            await asyncio.to_thread(_write_private, path, json.dumps(_trial(pairs)))
            done = await run(argv, timeout_s=CHECK_TIMEOUT_S)
        except ProcessTimeout:
            log.warning("certificates could not be checked in time", digests=[pair.digest[:16] for pair in pairs])
            return None
        finally:
            path.unlink(missing_ok=True)
        if done.returncode < 0:
            # Killed, for want of memory perhaps: that says nothing about the pairs.
            log.warning("the check of certificates was killed", signal=-done.returncode, digests=[pair.digest[:16] for pair in pairs])
            return None
        said = (done.stdout + done.stderr).decode(errors="replace")
        return "" if done.returncode == 0 else said or f"exit code {done.returncode}"


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _trial(pairs: Iterable[Pair]) -> Object:
    """The smallest configuration in which Envoy builds a TLS context from each of the pairs."""
    listener = {
        "name": "trial",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [_trial_chain(pair) for pair in pairs],
    }
    return {"node": {"id": "trial", "cluster": "trial"}, "static_resources": {"listeners": [listener]}}


def _trial_chain(pair: Pair) -> Object:
    common = {"tls_certificates": [{"certificate_chain": {"inline_string": pair.chain}, "private_key": {"inline_string": pair.key}}]}
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": common,
    }
    # Envoy wants chains that differ in what they match.
    match = {"server_names": [f"{pair.digest[:32]}.invalid"]}
    return {"filter_chain_match": match, "filters": [], "transport_socket": {"name": "tls", "typed_config": context}}


def explain(pair: Pair, output: str) -> str:
    """Why Envoy refuses the pair, as half a sentence: its own words where they help, what is seen in the pair otherwise."""
    if "neither subject CN nor SAN" in output:
        return "has a certificate with neither a common name nor a subject alternative name"
    if "2048-bit" in output:
        return "has an RSA key of fewer than 2048 bits"
    if "MISMATCH" in output:
        return "has a tls.key that is not the key of the certificate in tls.crt"
    if "private key" in output:
        return f"has a tls.key that the gateway cannot use ({_key_fault(pair)})"
    return f"has a tls.crt that the gateway cannot use ({_chain_fault(pair)})"


def _key_fault(pair: Pair) -> str:
    if "ENCRYPTED" in pair.key:
        return "it is encrypted: store it without a passphrase"
    return "it is no unencrypted PEM private key of a kind that TLS uses"


def _chain_fault(pair: Pair) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    if pair.chain.startswith("\ufeff"):
        return "it begins with a byte order mark: save it as plain ASCII"
    if pair.chain.count("-----BEGIN ") != pair.chain.count("-----END "):
        return "a PEM block in it has no end"
    try:
        found = x509.load_pem_x509_certificates(pair.chain.encode())
        key = found[0].public_key()
    except ValueError:
        return "it holds no PEM certificate that can be read"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"the curve {key.curve.name} is not used by TLS clients: take P-256, P-384 or P-521"
    return "a certificate in it has a key or a signature of a kind that TLS clients do not take: use RSA, ECDSA on P-256 or Ed25519"
