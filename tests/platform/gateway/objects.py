"""Ingresses and what stands behind them, as an API server shows them."""

import base64
import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pilothouse.model.ingresses import DEFAULT_CLASS, LEGACY_CLASS
from pilothouse.model.json import Object
from pilothouse.model.sharing import SHARED_HOSTS
from pilothouse.platform.gateway.certificates import pair_of
from pilothouse.platform.gateway.classes import CONTROLLER
from pilothouse.platform.gateway.routes import Table, World, table


def ingress_class(name: str = "pilothouse", *, default: bool = True, controller: str = CONTROLLER, shared: str = "") -> Object:
    annotations = ({DEFAULT_CLASS: "true"} if default else {}) | ({SHARED_HOSTS: shared} if shared else {})
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"controller": controller}}


def backend(service: str, port: int | str = 80) -> Object:
    return {"service": {"name": service, "port": {"name": port} if isinstance(port, str) else {"number": port}}}


def path(text: str, service: str = "web", port: int | str = 80, kind: str = "Prefix") -> Object:
    return {"path": text, "pathType": kind, "backend": backend(service, port)}


def ingress(name: str, *rules: tuple[str, list[Object]], created: int = 0, legacy: str = "", **spec: Any) -> Object:
    annotations = {LEGACY_CLASS: legacy} if legacy else {}
    metadata = {"name": name, "namespace": "default", "creationTimestamp": f"2026-01-01T00:00:{created:02}Z", "annotations": annotations}
    written = [{"http": {"paths": paths}} | ({"host": host} if host else {}) for host, paths in rules]
    return {"metadata": metadata, "spec": ({"rules": written} if written else {}) | spec}


def of_team(made: Object) -> Object:
    """The same in another namespace."""
    made["metadata"]["namespace"] = "team"
    return made


def service(name: str = "web", **ports: int) -> Object:
    listed = [{"name": key, "port": number} for key, number in ports.items()] or [{"port": 80}]
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": listed}}


def endpoint(address: str, **conditions: bool) -> Object:
    return {"addresses": [address], "conditions": conditions}


def piece(*endpoints: Object, **ports: int) -> Object:
    listed = [{"name": key, "port": number} for key, number in ports.items()] or [{"name": "", "port": 8080}]
    return {"metadata": {"name": "web-x", "namespace": "default"}, "ports": listed, "endpoints": list(endpoints)}


def secret(chain: str, key: str, name: str = "tls") -> Object:
    data = {"tls.crt": base64.b64encode(chain.encode()).decode(), "tls.key": base64.b64encode(key.encode()).decode()}
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def certificate(host: str) -> tuple[str, str]:
    """A self-signed one, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return made.public_bytes(Encoding.PEM).decode(), pem


def routed(
    *ingresses: Object,
    services: tuple[Object, ...] = (),
    slices: tuple[Object, ...] = (),
    secrets: tuple[Object, ...] = (),
    classes: tuple[Object, ...] | None = None,
) -> Table:
    """The table of these ingresses; the slices are those of the service web. Every pair of the secrets counts as good."""
    pairs = [pair_of(obj) for obj in secrets]
    return table(
        World(
            verdicts={pair.digest: "" for pair in pairs if not isinstance(pair, str)},
            ingresses=ingresses,
            classes=(ingress_class(),) if classes is None else classes,
            services={f"default/{obj['metadata']['name']}": obj for obj in services},
            slices={"default/web": list(slices)},
            secrets={f"{obj['metadata'].get('namespace', 'default')}/{obj['metadata']['name']}": obj for obj in secrets},
        )
    )
