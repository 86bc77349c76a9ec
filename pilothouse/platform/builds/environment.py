"""What a build needs to reach packages from here: the host's own package mirrors, proxies and certificates.

Found in the host's settings (pip, npm, apt, the CA bundle, proxy variables) and overridden key by key with `ph config`.
Carried as one Secret, since a mirror's address often holds a password. Settings that name files or folders of this
machine are left out: they mean nothing inside a build.
"""

import base64
import configparser
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from pilothouse.aio.process import run

CA_IN_BUILD = "/run/pilothouse-ca.crt"
CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
PIP_FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
NPM_FILES = ("/etc/npmrc", "/usr/etc/npmrc", "~/.npmrc")
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
NPM_KEYS = re.compile(r"^(?:@[^:]+:)?registry$|^//.*:_(?:authToken|auth|password)$|^(?:https?-)?proxy$|^noproxy$|^strict-ssl$")
_NPM_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PASSWORD = re.compile(r"(\w+://[^/\s:@]*:)[^/\s@]+@")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
KEYS = {
    "pip.index-url": "the package index that pip uses",
    "pip.extra-index-url": "more package indexes, separated by spaces",
    "pip.trusted-host": "hosts that pip may reach without a valid certificate",
    "npm.registry": "the registry that npm uses",
    "apt.proxy": "the proxy that apt uses",
    "proxy.http": "HTTP proxy of builds",
    "proxy.https": "HTTPS proxy of builds",
    "proxy.no": "hosts that are reached without a proxy",
    "registry.mirror": "a mirror of docker.io to pull base images from",
    "ca": "a file with the CA certificates that builds trust",
    "build.timeout": "seconds after which the steps of a build are stopped (1800)",
    "build.store": "GiB that layers and caches of earlier builds may take on the node (20)",
}
"""The settings of `ph config`, with what each means."""
NUMBERS = {"build.timeout": (10, 86_400), "build.store": (1, 100_000)}
"""Settings that are whole numbers, with the least and the most."""


def number(config: Mapping[str, str], key: str, default: int) -> int:
    """A setting that is a whole number; the default where it is not set, or was written by hand as something else."""
    least, most = NUMBERS[key]
    text = config.get(key, "")
    return min(max(int(text), least), most) if text.isascii() and text.isdigit() else default


@dataclass(frozen=True, slots=True)
class Found:
    """pip, npm: settings by their own names; proxies by variable; ca: the bundle's text.

    origins: the file or variable where each key of `KEYS` was found.
    """

    pip: Mapping[str, str] = field(default_factory=dict)
    npm: Mapping[str, str] = field(default_factory=dict)
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


def overridden(found: Found, config: Mapping[str, str]) -> Found:
    """With what `ph config` has set. ca: the certificates' text (the CLI reads the file); they are added to the host's."""
    pip = dict(found.pip) | {key.removeprefix("pip."): value for key, value in config.items() if key.startswith("pip.")}
    npm = dict(found.npm) | {key.removeprefix("npm."): value for key, value in config.items() if key.startswith("npm.")}
    proxies = dict(found.proxies) | {
        f"{kind}_proxy": config[f"proxy.{kind}"] for kind in ("http", "https", "no") if f"proxy.{kind}" in config
    }
    ca = "\n".join(part for part in (found.ca.rstrip(), config.get("ca", "").strip()) if part)
    return Found(pip=pip, npm=npm, apt_proxy=config.get("apt.proxy", found.apt_proxy), proxies=proxies, ca=f"{ca}\n" if ca else "")


def shown(found: Found) -> dict[str, tuple[str, str]]:
    """What was found of each key of `KEYS`, and where; without the passwords of addresses, and of certificates their number."""
    values = {f"pip.{key}": value for key, value in found.pip.items()} | {f"npm.{key}": value for key, value in found.npm.items()}
    values |= {f"proxy.{name.removesuffix('_proxy')}": value for name, value in found.proxies.items()}
    values |= {"apt.proxy": found.apt_proxy, "ca": certificates(found.ca)}
    return {key: (without_password(values[key]), found.origins.get(key, "")) for key in KEYS if values.get(key)}


def certificates(text: str) -> str:
    """How many there are in a PEM text, in words; "" for none."""
    count = text.count("BEGIN CERTIFICATE")
    return f"{count} certificate{'s' if count > 1 else ''}" if count else ""


def without_password(text: str) -> str:
    """Addresses as they can be shown: `https://user:***@host/`."""
    return _PASSWORD.sub(r"\1***@", text)


def secret_data(found: Found) -> dict[str, str]:
    """The Secret's data: the files that builds mount, and one `proxy.NAME` a proxy variable."""
    pip = ["[global]", *(f"{key} = {value}" for key, value in found.pip.items())]
    npm = [f"{key}={value}" for key, value in found.npm.items()]
    if found.ca:
        pip.append(f"cert = {CA_IN_BUILD}")
        npm.append(f"cafile={CA_IN_BUILD}")
    apt = []
    if found.apt_proxy:
        apt = [f'Acquire::http::Proxy "{found.apt_proxy}";', f'Acquire::https::Proxy "{found.apt_proxy}";']
    if found.ca:
        apt.append(f'Acquire::https::CAInfo "{CA_IN_BUILD}";')
    files = {"ca.crt": found.ca, "pip.conf": _lines(pip), "npmrc": _lines(npm), "apt.conf": _lines(apt)}
    files |= {f"proxy.{name}": value for name, value in found.proxies.items()}
    return {key: base64.b64encode(text.encode()).decode() for key, text in files.items() if text}


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
