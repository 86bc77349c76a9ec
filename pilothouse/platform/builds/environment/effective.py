"""What builds use: what was found, with what `ph config` has set; and how it is shown."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from pilothouse.platform.builds.environment.credentials import masked
from pilothouse.platform.builds.environment.found import Found
from pilothouse.platform.builds.environment.keys import KEYS

_TOOLS = ("go.proxy", "go.sumdb", "gem.source", "cargo.registry", "maven.mirror")
_PUBLIC_NPM = "https://registry.npmjs.org/"


def overridden(found: Found, config: Mapping[str, str]) -> Found:
    """With what `ph config` has set. ca: the certificates' text (the CLI reads the file); they are added to the host's."""
    pip = dict(found.pip) | {key.removeprefix("pip."): value for key, value in config.items() if key.startswith("pip.")}
    npm = dict(found.npm) | ({"registry": config["npm.registry"]} if "npm.registry" in config else {})
    proxies = dict(found.proxies) | {
        f"{kind}_proxy": config[f"proxy.{kind}"] for kind in ("http", "https", "no") if f"proxy.{kind}" in config
    }
    if token := config.get("npm.token"):
        npm[f"{_without_scheme(npm.get('registry', _PUBLIC_NPM))}:_authToken"] = token
    tools = dict(found.tools) | {key: config[key] for key in _TOOLS if key in config}
    ca = "\n".join(part for part in (found.ca.rstrip(), config.get("ca", "").strip()) if part)
    apt_proxy = config.get("apt.proxy", found.apt_proxy)
    return Found(pip=pip, npm=npm, tools=tools, apt_proxy=apt_proxy, proxies=proxies, ca=f"{ca}\n" if ca else "")


def _without_scheme(registry: str) -> str:
    """As npm writes the registry that a token is for: `//npm.example.org/`."""
    parts = urlsplit(registry)
    return f"//{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/"


def shown(found: Found) -> dict[str, tuple[str, str]]:
    """What was found of each key of `KEYS`, and where; without passwords and tokens, and of certificates their number."""
    values = {f"pip.{key}": value for key, value in found.pip.items()} | {f"npm.{key}": value for key, value in found.npm.items()}
    values |= found.tools
    values |= {f"proxy.{name.removesuffix('_proxy')}": value for name, value in found.proxies.items()}
    values |= {"apt.proxy": found.apt_proxy, "ca": certificates(found.ca)}
    if any(key.endswith(":_authToken") for key in found.npm):
        values["npm.token"] = "found"
    return {key: (masked(key, values[key]), found.origins.get(key, "")) for key in KEYS if values.get(key)}


def certificates(text: str) -> str:
    """How many there are in a PEM text, in words; "" for none."""
    count = text.count("BEGIN CERTIFICATE")
    return f"{count} certificate{'s' if count > 1 else ''}" if count else ""
