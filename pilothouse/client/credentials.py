"""What a request proves its sender with: TLS settings and headers, made anew when a token or a plug-in's answer expires."""

import asyncio
import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pilothouse.client.kubeconfig import ExecPlugin, Kubeconfig, KubeconfigError
from pilothouse.model.errors import Unauthorized
from pilothouse.model.json import JSONError, Object, dumps, loads
from pilothouse.model.meta import parse_rfc3339

TOKEN_FILE_S = 60.0
CERTIFICATE_FILE_S = 600.0
PLUGIN_DEADLINE_S = 60.0
EARLY_S = 10.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """tls: None for plain HTTP. until: monotonic time after which they are to be asked for again."""

    tls: ssl.SSLContext | None
    headers: tuple[tuple[str, str], ...]
    until: float = float("inf")


Reload = Callable[[], Kubeconfig]


class CredentialSource:
    """Gives the current credentials of a kubeconfig; asks files and plug-ins only when what it has is too old.

    reload: reads the kubeconfig again, whose certificates somebody renews; without it they are those of the first reading.
    """

    def __init__(self, config: Kubeconfig, reload: Reload | None = None) -> None:
        self._config = config
        self._reload = reload
        self._current: Credentials | None = None
        self._renewing = asyncio.Lock()
        self._has_worked = False

    @property
    def renewable(self) -> bool:
        """Whether asking again may bring other credentials."""
        return self._config.exec is not None or self._config.token_file is not None or self._reload is not None

    def forget(self) -> None:
        """The server has refused them: ask again next time."""
        self._current = None

    async def get(self) -> Credentials:
        current = self._current
        if current is not None and time.monotonic() < current.until:
            return current
        async with self._renewing:
            if self._current is None or time.monotonic() >= self._current.until:
                self._current = await self._renewed()
            return self._current

    async def _renewed(self) -> Credentials:
        """At first a failure is the kubeconfig's; one that comes later must not end a process that has worked for hours."""
        try:
            renewed = await self._renew()
        except KubeconfigError as error:
            if self._has_worked:
                raise Unauthorized(str(error)) from error
            raise
        self._has_worked = True
        return renewed

    async def _renew(self) -> Credentials:
        config = self._config
        if config.exec is not None:
            return await self._from_plugin(config.exec)
        token, until = config.token, float("inf")
        if config.token_file is not None:
            token, until = await asyncio.to_thread(self._read_token, config.token_file), time.monotonic() + TOKEN_FILE_S
        tls = self._current.tls if self._current else tls_context(config, config.client_certificate, config.client_key)
        if self._reload is not None:
            found, until = await self._reloaded(self._reload), min(until, time.monotonic() + CERTIFICATE_FILE_S)
            if (found.client_certificate, found.client_key) != (config.client_certificate, config.client_key):
                # Connections that are open keep the certificate that they were made with.
                self._config, tls = found, tls_context(found, found.client_certificate, found.client_key)
        return Credentials(tls, _headers(config, token), until)

    async def _reloaded(self, reload: Reload) -> Kubeconfig:
        """What it has goes on while the file cannot be read: it may be valid for a month."""
        try:
            return await asyncio.to_thread(reload)
        except KubeconfigError as error:
            import structlog  # here: it takes longer to load than most commands take

            structlog.get_logger("client").warning("kubeconfig not read again", error=str(error))
            return self._config

    def _read_token(self, path: Path) -> str:
        try:
            return path.read_text().strip()
        except OSError as error:
            raise KubeconfigError(f"{self._config.source}: tokenFile {path} cannot be read: {(error.strerror or '').lower()}") from error

    async def _from_plugin(self, plugin: ExecPlugin) -> Credentials:
        status = await run_plugin(plugin, self._config)
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        tls = tls_context(
            self._config,
            certificate.encode() if certificate else self._config.client_certificate,
            key.encode() if key else self._config.client_key,
        )
        expires = status.get("expirationTimestamp")
        left_s = parse_rfc3339(expires) - time.time() - EARLY_S if expires else float("inf")
        return Credentials(tls, _headers(self._config, status.get("token")), time.monotonic() + left_s)


def tls_context(config: Kubeconfig, certificate: bytes | None, key: bytes | None) -> ssl.SSLContext | None:
    if not config.server.startswith("https://"):
        return None
    try:
        context = ssl.create_default_context(cadata=config.certificate_authority.decode() if config.certificate_authority else None)
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
        raise KubeconfigError(f"{config.source}: certificate-authority is not a PEM certificate") from error
    # Kubernetes' own CAs are often made without the key identifiers that this asks for.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate and key:
        _load_pair(context, config, certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, config: Kubeconfig, certificate: bytes, key: bytes) -> None:
    """ssl takes the pair from a file only: one that nobody else can read and that is gone at once."""
    with tempfile.NamedTemporaryFile(prefix="pilothouse-") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError as error:
            why = error.reason or str(error)
            raise KubeconfigError(f"{config.source}: client-certificate and client-key are not a PEM pair: {why}") from error


def _headers(config: Kubeconfig, token: str | None) -> tuple[tuple[str, str], ...]:
    headers = []
    if token:
        headers.append(("Authorization", f"Bearer {token}"))
    elif config.username is not None:
        pair = f"{config.username}:{config.password or ''}".encode()
        headers.append(("Authorization", "Basic " + base64.b64encode(pair).decode()))
    if config.impersonate:
        headers.append(("Impersonate-User", config.impersonate))
        headers += [("Impersonate-Group", group) for group in config.impersonate_groups]
        headers += [("Impersonate-Uid", config.impersonate_uid)] if config.impersonate_uid else []
        headers += [(f"Impersonate-Extra-{quote(key, safe='')}", text) for key, text in config.impersonate_extra]
    return tuple(headers)


async def run_plugin(plugin: ExecPlugin, config: Kubeconfig) -> Object:
    """The status of the ExecCredential that the program prints. Raises KubeconfigError."""
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": {"interactive": False} | _cluster_info(plugin, config)}
    environment = os.environ | dict(plugin.env) | {"KUBERNETES_EXEC_INFO": dumps(info).decode()}
    code, output, complaint = await _run(plugin, config, environment)
    if code != 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise KubeconfigError(f"{config.source}: exec plugin {plugin.command!r} failed with exit code {code}: {last or 'it said nothing'}")
    try:
        answer = loads(output)
        status: Object = answer["status"]
    except (JSONError, KeyError, TypeError) as error:
        raise KubeconfigError(f"{config.source}: exec plugin {plugin.command!r} did not print an ExecCredential") from error
    return status


async def _run(plugin: ExecPlugin, config: Kubeconfig, environment: dict[str, str]) -> tuple[int, bytes, bytes]:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command, *plugin.args, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        hint = f" {plugin.install_hint.strip()}" if plugin.install_hint else " Install it or put it on PATH."
        raise KubeconfigError(f"{config.source}: exec plugin {plugin.command!r} cannot be run.{hint}") from error
    try:
        async with asyncio.timeout(PLUGIN_DEADLINE_S):
            output, complaint = await process.communicate()
    except TimeoutError as error:
        raise KubeconfigError(f"{config.source}: exec plugin {plugin.command!r} gave no answer in {PLUGIN_DEADLINE_S:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output, complaint


def _cluster_info(plugin: ExecPlugin, config: Kubeconfig) -> Object:
    if not plugin.provide_cluster_info:
        return {}
    authority = config.certificate_authority
    cluster: Object = {"server": config.server, "insecure-skip-tls-verify": config.insecure}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    return {"cluster": cluster}
