"""Keeps certificates that the cluster signs, each renewed before it ends; who reads the files reads them again from time to time.

A certificate is renewed when 70 to 90 percent of its
time have passed, each at its own moment, so that nodes made together do not come together. Source: client-go util/certificate.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog

from pilothouse.client.certificates import waiting
from pilothouse.client.certificates.files import CertificateFile
from pilothouse.client.certificates.request import Asked, Refused, Subject, ask, signed
from pilothouse.client.client import Client
from pilothouse.client.http import HttpTransport
from pilothouse.client.kubeconfig import Kubeconfig, KubeconfigError, load
from pilothouse.model.errors import NotFound
from pilothouse.wire import pki
from pilothouse.wire.pki import KeyPair

log = structlog.get_logger("client.certificates")

FIRST_PATIENCE_S, PATIENCE_S = 15.0, 300.0
"""The first is short, so that a start that waits for a person's approval says so."""
LONGEST_SLEEP_S = 3600.0
SOONEST_S = 300.0
"""A new certificate is not made anew before, even where it is due by this machine's clock: to one that is far ahead all are.
Half of the shortest lifetime that there is."""
SHARE = (0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate, and where it lies. signs: the kubeconfigs that may ask for it, of which the first that is good is used."""

    file: CertificateFile
    subject: Subject
    signs: tuple[Path, ...]


class CertificateKeeper:
    """kept: in the order in which they are made. lifetime_s: None for the signer's own. first_patience_s: where there is none yet."""

    def __init__(
        self,
        kept: Sequence[Kept],
        *,
        lifetime_s: int | None = None,
        clock: Callable[[], float] = time.time,
        first_patience_s: float = FIRST_PATIENCE_S,
    ) -> None:
        self._kept = kept
        self._first_patience_s = first_patience_s
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._share = random.uniform(*SHARE)

    async def run(self, ready: asyncio.Event) -> NoReturn:
        """ready: set when each is there and good. Raises NotSigned, ApiError, KubeconfigError: to be run again."""
        while True:
            due = [await self._ensure(each) for each in self._kept]
            ready.set()
            await asyncio.sleep(max(1.0, min([*due, self._clock() + LONGEST_SLEEP_S]) - self._clock()))

    async def _ensure(self, kept: Kept) -> float:
        """When it is to be looked at again, in seconds of the epoch."""
        before = await asyncio.to_thread(kept.file.certificate)
        if before is not None and (due := self._due(before)) > self._clock():
            return due
        source = await asyncio.to_thread(self._source, kept)
        client = Client(HttpTransport(source), field_manager="kubelet")
        try:
            pair = await self._obtain(client, kept, self._first_patience_s if before is None else PATIENCE_S)
        finally:
            await client.close()
        await asyncio.to_thread(kept.file.write, pair, source)
        await asyncio.to_thread(waiting.forget, kept.file.waiting)
        log.info("certificate made", user=kept.subject.user, signer=kept.subject.signer)
        return max(self._due(pair.certificate), self._clock() + SOONEST_S)

    async def _obtain(self, client: Client, kept: Kept, patience_s: float) -> KeyPair:
        """By the request that waits already, where there is one. Raises NotSigned, ApiError."""
        place = kept.file.waiting
        try:
            found = await _waited_for(client, await asyncio.to_thread(waiting.load, place, kept.subject), patience_s)
            if found is not None and self._due(found.certificate) > self._clock():
                return found
            asked = await ask(client, kept.subject, lifetime_s=self._lifetime_s)
            await asyncio.to_thread(waiting.save, place, asked)
            return await signed(client, asked, patience_s=patience_s)
        except Refused:
            await asyncio.to_thread(waiting.forget, place)
            raise

    def _due(self, certificate: bytes) -> float:
        """When it is to be made anew."""
        begin, end = pki.validity(certificate)
        return begin + (end - begin) * self._share

    def _source(self, kept: Kept) -> Kubeconfig:
        """The first of those that sign whose certificate has not ended, or that has a token. Raises KubeconfigError for none."""
        for path in kept.signs:
            try:
                found = load(path)
            except KubeconfigError:
                continue
            if found.token or (found.client_certificate and pki.validity(found.client_certificate)[1] > self._clock()):
                return found
        tried = " or ".join(map(str, kept.signs))
        raise KubeconfigError(
            f"the certificate of {kept.subject.user} has ended, and there is none in {tried} to ask for another with: "
            "remove this node (`ph destroy`), and join again with the line of `ph token create --print-join-command` on the first machine"
        )


async def _waited_for(client: Client, asked: Asked | None, patience_s: float) -> KeyPair | None:
    """None where nothing was asked for, or the request is gone. Raises NotSigned, ApiError."""
    if asked is None:
        return None
    try:
        return await signed(client, asked, patience_s=patience_s)
    except NotFound:
        return None
