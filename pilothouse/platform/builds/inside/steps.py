"""What the steps of a build see of the host's settings: a folder of files, and the variables that lead programs to them.

The files are mounted and the variables are build arguments, so nothing of either is in the image's layers or its environment.
The variables hold paths of the folder and proxies' hosts alone: an image's history shows them.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from pilothouse.platform.builds.dockerfile import instructions
from pilothouse.platform.builds.inside.settings import Settings
from pilothouse.platform.builds.inside.truststore import jks

FOLDER = "/run/pilothouse"
_FILES = ("ca.crt", "pip.conf", "npmrc", "apt.conf", "go.env", "gemrc", "bundle", "cargo.toml", "maven.xml")
_OWN_PLACES = (
    ("pip.conf", "/etc/pip.conf"),
    ("npmrc", "/etc/npmrc"),  # of Debian's npm
    ("npmrc", "/usr/etc/npmrc"),  # of yarn 1 and pnpm beside it
    ("npmrc", "/usr/local/etc/npmrc"),  # of all three where Node is in /usr/local
    ("apt.conf", "/etc/apt/apt.conf.d/95pilothouse"),
    ("cargo.toml", "/.cargo/config.toml"),  # read for every folder; cargo has no variable for a mirror
)
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    # OpenSSL, Ruby, Go, composer, uv; curl; git; Python's requests; Node; cargo
    "ca.crt": ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO"),
    "wgetrc": ("WGETRC",),
    "go.env": ("GOENV",),
    "gemrc": ("GEMRC",),
    "bundle": ("BUNDLE_USER_CONFIG",),
}
_HOST = re.compile(r"^[\w.*:\[\]-]+$")


class Steps:
    """Makes the folder. credentials: files in full where this build may have passwords; they stand before those for every build."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.folder = settings.steps
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name in _FILES:
            for source in (settings.credentials / name, settings.environment / name):
                if source.is_file() and source.stat().st_size:
                    (self.folder / name).write_bytes(source.read_bytes())
                    break
        if self._has("ca.crt"):
            (self.folder / "java.jks").write_bytes(jks((self.folder / "ca.crt").read_text(errors="replace")))
            (self.folder / "wgetrc").write_text(f"ca_certificate = {FOLDER}/ca.crt\n")
        self.variables = dict(self._named(environ))

    def _has(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def _named(self, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for name, variables in _VARIABLES.items():
            if self._has(name):
                yield from ((variable, f"{FOLDER}/{name}") for variable in variables)
        if self._has("maven.xml"):
            yield "MAVEN_ARGS", f"--settings={FOLDER}/maven.xml"
        if options := [*self._trust_options(), *proxy_options(environ)]:
            yield "JAVA_TOOL_OPTIONS", " ".join(options)

    def _trust_options(self) -> list[str]:
        if not self._has("java.jks"):
            return []
        return [f"-Djavax.net.ssl.trustStore={FOLDER}/java.jks", "-Djavax.net.ssl.trustStoreType=JKS"]

    def mounts(self) -> Iterator[str]:
        """Options of `buildah build`."""
        if not any(self.folder.iterdir()):
            return
        yield from ("--volume", f"{self.folder}:{FOLDER}:ro")
        for name, inside in _OWN_PLACES:
            if self._has(name):
                yield from ("--volume", f"{self.folder / name}:{inside}:ro")


def proxy_options(environ: Mapping[str, str]) -> list[str]:
    """The proxy variables as Java's properties. Users and passwords are left out: Java takes none from properties."""
    found = []
    for name in ("http", "https"):
        address = environ.get(f"{name}_proxy") or ""
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            host, port = parts.hostname or "", parts.port or 80
        except ValueError:
            continue
        if address and _HOST.match(host):
            found += [f"-D{name}.proxyHost={host}", f"-D{name}.proxyPort={port}"]
    hosts = (environ.get("no_proxy") or "").replace(",", " ").split()
    without = [f"*{host}" if host.startswith(".") else host for host in hosts if _HOST.match(host)]
    return [*found, f"-Dhttp.nonProxyHosts={'|'.join(without)}"] if found and without else found


def with_variables(text: str, variables: Mapping[str, str]) -> tuple[str, frozenset[int]]:
    """The Dockerfile with an ARG behind the FROM of each stage that runs something, and the numbers of those stages, from 1."""
    stages: list[tuple[int, bool]] = []
    for step in instructions(text):
        if step.word == "FROM":
            stages.append((step.last or step.line, False))
        elif step.word == "RUN" and stages:
            stages[-1] = (stages[-1][0], True)
    if not variables:
        return text, frozenset()
    lines = text.removeprefix("\ufeff").splitlines()
    arg = "ARG " + " ".join(f'{name}="{value}"' for name, value in variables.items())
    for last, runs in reversed(stages):
        if runs:
            lines.insert(last, arg)
    return "".join(f"{line}\n" for line in lines), frozenset(number for number, (_, runs) in enumerate(stages, 1) if runs)
