"""Rust programs: built by cargo, run without a toolchain."""

import re
import tomllib
from typing import Any

from pilothouse.platform.builds.detect import versions
from pilothouse.platform.builds.detect.plan import CannotDetect, Offer
from pilothouse.platform.builds.detect.recipe import APP_USER, COPY_SOURCE, Recipe
from pilothouse.platform.builds.detect.shell import quoted
from pilothouse.platform.builds.detect.tree import Tree

_READS_PORT = re.compile(r"var(?:_os)?\(\s*\"PORT\"")
_LISTENS = re.compile(r"(?:\"[\d.:\[\]]+:(\d{2,5})\"|\"[\d.]+\",\s*(\d{2,5})\)|\],\s*(\d{2,5})\))")
_LOCK = re.compile(r"^version = (\d+)$", re.MULTILINE)
EDITIONS = {"2021": "1.56", "2024": "1.85"}
LOCKS = {"4": "1.78"}
"""The first toolchains that read an edition, and a format of Cargo.lock."""


def is_rust(tree: Tree) -> bool:
    return tree.has("Cargo.toml")


def recipe(tree: Tree, offer: Offer) -> Recipe:
    """Raises CannotDetect when the crate has no program, and when the toolchain is too old."""
    manifest = _manifest(tree)
    version = _version(tree, manifest, offer)
    program = _program(tree, manifest)
    port = _port(tree)
    lock = tree.has("Cargo.lock")
    lines = (
        f"FROM rust:{version} AS build",
        "WORKDIR /src",
        "COPY . ./",
        f"RUN cargo build --release {'--locked ' if lock else ''}--bin {quoted(program)} && cp target/release/{quoted(program)} /tmp/app",
        "",
        f"FROM {_runtime(version, offer)}",
        "WORKDIR /app",
        APP_USER,
        COPY_SOURCE,
        "COPY --from=build /tmp/app /usr/local/bin/app",
    )
    where = "the port in PORT" if port is None else f"port {port}"
    fetched = "vendored crates" if tree.has_folder("vendor") else "crates are fetched"
    found = f"{program} is the program, serving on {where}"
    why = (f"Rust {version}: Cargo.toml; {fetched}",)
    return Recipe("rust", lines, _command(tree), why, found, port, variables=_variables(tree))


def _manifest(tree: Tree) -> dict[str, Any]:
    try:
        return tomllib.loads(tree.text("Cargo.toml"))
    except tomllib.TOMLDecodeError as error:
        raise CannotDetect(f"{tree.name}/Cargo.toml is not valid TOML: {error}") from error


def _version(tree: Tree, manifest: dict[str, Any], offer: Offer) -> str:
    offered = offer.preferred("rust", "1")
    asked, place = _needed(tree, manifest)
    if offered == "1" or versions.parse(asked) <= versions.parse(offered):
        return offered
    if fitting := offer.fitting("rust", f">={asked}"):
        return fitting
    if not offer.exact:
        return asked
    raise CannotDetect(
        f"{place} needs Rust {asked}, and the toolchain that can be had is {offered}: "
        "lower it if the code allows it, or set a registry with `ph config set registry.mirror HOST`"
    )


def _needed(tree: Tree, manifest: dict[str, Any]) -> tuple[str, str]:
    """(version, what needs it): the newest of `rust-version`, the edition's and the lock file's."""
    stated = manifest.get("package")
    package = stated if isinstance(stated, dict) else {}
    edition, named = str(package.get("edition") or ""), package.get("rust-version")
    lock = _LOCK.search(tree.text("Cargo.lock"))
    asked = [
        (named if isinstance(named, str) else "", "rust-version in Cargo.toml"),
        (EDITIONS.get(edition, ""), f"edition {edition} in Cargo.toml"),
        (LOCKS.get(lock[1], "") if lock else "", "the format of Cargo.lock"),
    ]
    return max(asked, key=lambda each: versions.parse(each[0]))


def _runtime(version: str, offer: Offer) -> str:
    """A program needs a C library as new as the one that it was linked with, which a later release's toolchain brings."""
    return "debian:stable-slim" if version == offer.preferred("rust", "1") else "debian:trixie-slim"


def _program(tree: Tree, read: dict[str, Any]) -> str:
    named, listed = read.get("package"), read.get("bin")
    package = str(named.get("name") or "") if isinstance(named, dict) else ""
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    binaries = [str(entry["name"]) for entry in entries if entry.get("name")]
    if binaries:
        return package if package in binaries else binaries[0]
    if package and tree.has("src/main.rs"):
        return package
    programs = sorted(path.split("/")[2].removesuffix(".rs") for path in tree.files if path.startswith("src/bin/"))
    if programs:
        return programs[0]
    raise CannotDetect(f"{tree.name} is a Rust crate without a program (no src/main.rs, no [[bin]]): add a Dockerfile")


def _port(tree: Tree) -> int | None:
    sources = [path for path in tree.ending(".rs") if path.startswith("src/")][:400]
    if tree.mentions(_READS_PORT, sources) or tree.mentions(re.compile("rocket"), ["Cargo.toml"]):
        return None
    found = next((match for path in sources if (match := _LISTENS.search(tree.text(path)))), None)
    return int(found[1] or found[2] or found[3]) if found else None


def _variables(tree: Tree) -> dict[str, str]:
    """Rocket has a variable of its own for the address."""
    return {"ROCKET_ADDRESS": "0.0.0.0"} if tree.mentions(re.compile("rocket"), ["Cargo.toml"]) else {}  # noqa: S104


def _command(tree: Tree) -> str:
    return "ROCKET_PORT=$PORT app" if tree.mentions(re.compile("rocket"), ["Cargo.toml"]) else "app"
