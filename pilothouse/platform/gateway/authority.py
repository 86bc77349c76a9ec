"""Certificates of the gateway's own for hosts that bring none, so that every app answers over HTTPS.

An authority is made once per instance, under the gateway's folder; `ph trust` makes this machine's programs believe it. Its
certificate says for which names it may speak (names that never leave a machine or a private network), so that whoever
steals its key cannot pass for a bank. For other hosts it signs too, and clients then say that the issuer has no right to.
"""

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from pilothouse.platform.gateway.certificates import Pair
from pilothouse.wire.pki import CertificateAuthority, KeyPair, Now, days_left

PRIVATE_DOMAINS = ("localhost", "test", "internal", "local", "lan", "home.arpa")
"""RFC 6761, RFC 6762, RFC 8375 and ICANN's resolution on `internal`: names that are nobody's on the public Internet."""
RENEW_DAYS = 60
FALLBACK = "localhost"


class LocalAuthority:
    """Issues one certificate a host and keeps it in `folder` until it is due. Blocks; a certificate takes about a millisecond."""

    def __init__(self, folder: Path, instance: str, domain: str, *, now: Now = time.time) -> None:
        self._folder = folder
        self._instance = instance
        self._domain = domain
        self._now = now
        self._authority: CertificateAuthority | None = None
        self._issued: dict[str, Pair] = {}

    @property
    def certificate(self) -> Path:
        """What clients are to trust."""
        return self._folder / "ca.crt"

    def pairs(self, hosts: Iterable[str]) -> dict[str, Pair]:
        """A pair for each of the hosts; those of hosts that are not among them are removed."""
        wanted = list(dict.fromkeys(hosts))
        self._issued = {host: self._pair(host) for host in wanted}
        kept = {f"{_file_name(host)}{end}" for host in wanted for end in (".crt", ".key")}
        for path in (self._folder / "issued").glob("*"):
            if path.name not in kept:
                path.unlink(missing_ok=True)
        return dict(self._issued)

    def _pair(self, host: str) -> Pair:
        known = self._issued.get(host) or self._stored(host)
        if known is not None and days_left(known.chain.encode(), self._now()) > RENEW_DAYS:
            return known
        made = self._signer().issue_server([host], common_name=host[:64])
        folder = self._folder / "issued"
        folder.mkdir(mode=0o700, exist_ok=True)
        made.write(folder, _file_name(host))
        return _as_pair(made)

    def _stored(self, host: str) -> Pair | None:
        """What was issued before by the present authority."""
        path = self._folder / "issued" / _file_name(host)
        try:
            made = KeyPair(path.with_suffix(".crt").read_bytes(), path.with_suffix(".key").read_bytes())
            return _as_pair(made) if self._signer().has_issued(made.certificate) else None
        except (FileNotFoundError, ValueError):
            return None

    def _signer(self) -> CertificateAuthority:
        if self._authority is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._authority = self._loaded()
        return self._authority

    def _loaded(self) -> CertificateAuthority:
        """One that does not speak for the domain yet gets a certificate with that domain beside those that it has."""
        try:
            found = CertificateAuthority.load(self._folder, now=self._now)
        except FileNotFoundError:
            domains = tuple(dict.fromkeys((*PRIVATE_DOMAINS, self._domain)))
            name = f"Pilothouse apps on this machine ({self._instance})"
            return CertificateAuthority.create(self._folder, name, permitted=domains, now=self._now)
        if covers(found.permitted, self._domain):
            return found
        return found.reissued(self._folder, permitted=(*found.permitted, self._domain))


def covers(domains: Iterable[str], name: str) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def _as_pair(made: KeyPair) -> Pair:
    return Pair.of(made.certificate.decode(), made.key.decode())


def _file_name(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:24]
