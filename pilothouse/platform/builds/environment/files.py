"""The settings as the files that programs in a build read, and as data of the Secrets that carry them."""

import base64
import json
from collections.abc import Mapping
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from pilothouse.platform.builds.environment.credentials import public
from pilothouse.platform.builds.environment.found import Found

IN_BUILD = "/run/pilothouse"
"""The folder that steps see these files in."""
CA_IN_BUILD = f"{IN_BUILD}/ca.crt"


def secret_data(found: Found) -> dict[str, str]:
    """For every build, without passwords and tokens: the files, and one `proxy.NAME` a proxy variable."""
    return _encoded(_files(public(found)))


def credentials_data(found: Found) -> dict[str, str]:
    """For builds that may have them: those files and proxies that hold a password or a token, in full."""
    for_all = _files(public(found))
    return _encoded({name: text for name, text in _files(found).items() if text != for_all.get(name)})


def _encoded(files: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in files.items() if text}


def _files(found: Found) -> dict[str, str]:
    pip = [f"{key} = {value}" for key, value in found.pip.items()] + ([f"cert = {CA_IN_BUILD}"] if found.ca else [])
    npm = [f"{key}={value}" for key, value in found.npm.items()] + ([f"cafile={CA_IN_BUILD}"] if found.ca else [])
    files = {
        "ca.crt": found.ca,
        "pip.conf": _lines(["[global]", "no-input = true", *pip] if pip else []),  # nobody is there to be asked for a password
        "npmrc": _lines(npm),
        "apt.conf": _lines(_apt(found)),
        "go.env": _lines(_go(found.tools)),
        "cargo.toml": _cargo(found.tools.get("cargo.registry", "")),
        "maven.xml": _maven(found.tools.get("maven.mirror", ""), found.proxies),
        **_gem(found.tools.get("gem.source", "")),
    }
    return files | {f"proxy.{name}": value for name, value in found.proxies.items()}


def _apt(found: Found) -> list[str]:
    proxy = found.apt_proxy
    lines = [f'Acquire::http::Proxy "{proxy}";', f'Acquire::https::Proxy "{proxy}";'] if proxy else []
    return [*lines, *([f'Acquire::https::CAInfo "{CA_IN_BUILD}";'] if found.ca else [])]


def _go(tools: Mapping[str, str]) -> list[str]:
    named = {"GOPROXY": tools.get("go.proxy", ""), "GOSUMDB": tools.get("go.sumdb", "")}
    return [f"{name}={value}" for name, value in named.items() if value]


def _gem(source: str) -> dict[str, str]:
    """For gem, and for bundler, whose Gemfiles name rubygems.org themselves."""
    if not source:
        return {}
    return {"gemrc": f":sources:\n- {json.dumps(source)}\n", "bundle": f"---\nBUNDLE_MIRROR__ALL: {json.dumps(source)}\n"}


def _cargo(registry: str) -> str:
    if not registry:
        return ""
    return f'[source.crates-io]\nreplace-with = "mirror"\n\n[source.mirror]\nregistry = {json.dumps(registry)}\n'


def _maven(mirror: str, proxies: Mapping[str, str]) -> str:
    """Maven asks neither the proxy variables nor Java's own properties."""
    parts = [_maven_mirror(mirror)] if mirror else []
    made = [
        _maven_proxy(name, proxies[f"{name}_proxy"], proxies.get("no_proxy", ""))
        for name in ("http", "https")
        if proxies.get(f"{name}_proxy")
    ]
    parts += [f"<proxies>{''.join(made)}</proxies>"] if made else []
    return f"<settings>{''.join(parts)}</settings>\n" if parts else ""


def _maven_mirror(mirror: str) -> str:
    parts = urlsplit(mirror)
    url = escape(mirror.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1))
    server = f"<servers><server><id>mirror</id>{_login(parts.username, parts.password)}</server></servers>" if parts.username else ""
    return f"{server}<mirrors><mirror><id>mirror</id><mirrorOf>central</mirrorOf><url>{url}</url></mirror></mirrors>"


def _maven_proxy(name: str, address: str, without: str) -> str:
    parts = urlsplit(address if "://" in address else f"http://{address}")
    login = _login(parts.username, parts.password) if parts.username else ""
    return (
        f"<proxy><id>{name}</id><active>true</active><protocol>{name}</protocol><host>{escape(parts.hostname or '')}</host>"
        f"<port>{parts.port or 80}</port>{login}<nonProxyHosts>{escape('|'.join(java_hosts(without)))}</nonProxyHosts></proxy>"
    )


def _login(user: str | None, password: str | None) -> str:
    return f"<username>{escape(user or '')}</username><password>{escape(password or '')}</password>"


def java_hosts(no_proxy: str) -> list[str]:
    """The hosts of `no_proxy` as Java writes them: `.example.org` is `*.example.org`."""
    return [f"*{host}" if host.startswith(".") else host for host in no_proxy.replace(",", " ").split()]


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
