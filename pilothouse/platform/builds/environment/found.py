"""The host's own settings, as programs of the host read them."""

import configparser
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pilothouse.aio.process import run

CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
NPM_FILES = ("/etc/npmrc", "/usr/etc/npmrc", "~/.npmrc")
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
NPM_KEYS = re.compile(r"^(?:@[^:]+:)?registry$|^//.*:_(?:authToken|auth|password)$|^(?:https?-)?proxy$|^noproxy$|^strict-ssl$")
_NPM_VARIABLE = re.compile(r"\$\{(\w+)\}")
GO_VARIABLES = {"go.proxy": "GOPROXY", "go.sumdb": "GOSUMDB"}
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Found:
    """pip, npm: settings by their own names; tools: by the keys of `KEYS`; proxies by variable; ca: the bundle's text.

    origins: the file or variable where each key of `KEYS` was found.
    """

    pip: Mapping[str, str] = field(default_factory=dict)
    npm: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    apt_proxy: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)
    ca: str = ""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)


Read = Callable[[str], str]
"""The text of one of the host's files, "" when it cannot be read."""


async def discover(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Found:
    """Read the host's settings. root: the folder that stands for `/`."""
    read = partial(_read, root, environ.get("HOME", "/root"))
    origins: dict[str, str] = {}
    found = Found(
        pip=_pip(environ, read, origins),
        npm=_npm(environ, read, origins),
        tools=_go(environ, read, origins),
        proxies=_proxies(environ, origins),
        ca=_ca(environ, read, origins),
        origins=origins,
    )
    if apt_proxy := await _apt_proxy(environ):
        origins["apt.proxy"] = "apt-config"
    return replace(found, apt_proxy=apt_proxy)


def _read(root: Path, home: str, path: str) -> str:
    whole = f"{home}{path[1:]}" if path.startswith("~") else path
    try:
        return (root / whole.lstrip("/")).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _pip(environ: Mapping[str, str], read: Read, origins: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (*PIP_FILES, environ.get("PIP_CONFIG_FILE", "")):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(read(path) if path else "")
        except configparser.Error:
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                own = {key: value for key, value in parser.items(section) if key in PIP_KEYS}
                found |= own
                origins |= {f"pip.{key}": path for key in own}
    for key in PIP_KEYS:
        if (name := f"PIP_{key.upper().replace('-', '_')}") in environ:
            found[key], origins[f"pip.{key}"] = environ[name], f"${name}"
    return {key: value for key, text in found.items() if (value := _remote(text))}


def _remote(text: str) -> str:
    """The words of a setting that do not name a place of this machine."""
    return " ".join(word for word in text.split() if not word.startswith(("file:", "/", "~", ".")))


def _npm(environ: Mapping[str, str], read: Read, origins: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (*NPM_FILES, environ.get("NPM_CONFIG_USERCONFIG", "")):
        for line in read(path).splitlines() if path else ():
            key, equals, value = line.partition("=")
            if equals and NPM_KEYS.match(key.strip()):
                found[key.strip()] = _NPM_VARIABLE.sub(lambda m: environ.get(m[1], ""), value.strip())
                origins[f"npm.{key.strip()}"] = path
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if environ.get(name):
            found["registry"], origins["npm.registry"] = environ[name], f"${name}"
    return found


def _go(environ: Mapping[str, str], read: Read, origins: dict[str, str]) -> dict[str, str]:
    """Variables, then the file that `go env -w` writes."""
    path = environ.get("GOENV") or "~/.config/go/env"
    written = dict(line.split("=", 1) for line in read(path).splitlines() if "=" in line)
    found: dict[str, str] = {}
    for key, name in GO_VARIABLES.items():
        value = environ.get(name) or written.get(name, "")
        if value and "file:" not in value:
            found[key], origins[key] = value, f"${name}" if environ.get(name) else path
    return found


async def _apt_proxy(environ: Mapping[str, str]) -> str:
    try:
        done = await run(["apt-config", "shell", "PROXY", "Acquire::http::Proxy"], timeout_s=10, env=environ)
    except FileNotFoundError:
        return ""
    found = re.match(r"PROXY='([^']*)'", done.stdout.decode(errors="replace"))
    return found[1] if found and done.returncode == 0 else ""


def _proxies(environ: Mapping[str, str], origins: dict[str, str]) -> dict[str, str]:
    found = {}
    for name in PROXIES:
        for variable in (name.upper(), name):
            if environ.get(variable):
                found[name], origins[f"proxy.{name.removesuffix('_proxy')}"] = environ[variable], f"${variable}"
    return found


def _ca(environ: Mapping[str, str], read: Read, origins: dict[str, str]) -> str:
    for path in (environ.get("SSL_CERT_FILE", ""), *CA_FILES):
        if path and (text := read(path)):
            origins["ca"] = path
            return text
    return ""
