"""Go programs: built from their module, run without a toolchain."""

import re

from pilothouse.platform.builds.detect import versions
from pilothouse.platform.builds.detect.plan import CannotDetect, Offer
from pilothouse.platform.builds.detect.recipe import APP_USER, COPY_SOURCE, Recipe
from pilothouse.platform.builds.detect.shell import quoted
from pilothouse.platform.builds.detect.tree import Tree

_GO = re.compile(r"^go\s+(\d+\.\d+(?:\.\d+)?)", re.MULTILINE)
_REQUIRE = re.compile(r"^\s*(?:require\s+)?([\w-]+(?:\.[\w-]+)+/\S+)\s+v\d", re.MULTILINE)
_MAIN = re.compile(r"^package main\b", re.MULTILINE)
_READS_PORT = re.compile(r"Getenv\(\s*\"PORT\"|LookupEnv\(\s*\"PORT\"|env:\"PORT")
_LISTENS = re.compile(r"(?:ListenAndServe(?:TLS)?\(|Addr:|\.Run\(|\.Listen\(|\.Start\()[^\n\"]*\"[\w.]*:(\d{2,5})\"")
TOOLCHAINS = (1, 21)
"""From this version on, go.mod may name a patch version, and a toolchain older than go.mod asks for refuses the module."""


def is_go(tree: Tree) -> bool:
    return tree.has("go.mod")


def recipe(tree: Tree, offer: Offer) -> Recipe:
    """Raises CannotDetect when the toolchain is too old for the module, or nothing in it is a program."""
    version, warnings = _version(tree, offer)
    package = _main_package(tree)
    modules = _REQUIRE.findall(tree.text("go.mod"))
    vendored = tree.has("vendor/modules.txt")
    download = ["COPY go.mod go.sum* ./", "RUN go mod download"] if modules and not vendored else []
    port = _port(tree)
    fetched = "vendor/ has its modules" if vendored else f"its {len(modules)} modules are fetched" if modules else "it needs no modules"
    lines = (
        f"FROM golang:{version} AS build",
        "WORKDIR /src",
        *download,
        "COPY . ./",
        f"RUN CGO_ENABLED=0 go build {'-mod=vendor ' if vendored else ''}-trimpath -ldflags=-s -o /out/app {quoted(package)}",
        "",
        "FROM debian:stable-slim",
        "WORKDIR /app",
        APP_USER,
        COPY_SOURCE,
        "COPY --from=build /out/app /usr/local/bin/app",
    )
    where = "the port in PORT" if port is None else f"port {port}"
    found = f"{package} is the program, serving on {where}"
    return Recipe("go", lines, "app", (f"Go {version}: go.mod; {fetched}",), found, port, warnings=warnings)


def _version(tree: Tree, offer: Offer) -> tuple[str, tuple[str, ...]]:
    offered = offer.preferred("golang", "1")
    found = _GO.search(tree.text("go.mod"))
    if found is None or versions.parse(found[1])[:2] <= versions.parse(offered)[:2] or offered == "1":
        return offered, ()
    if fitting := offer.fitting("golang", f">={'.'.join(found[1].split('.')[:2])}"):
        return fitting, ()
    if not offer.exact:
        return ".".join(found[1].split(".")[:2]), ()
    newest = offer.newest("golang", offered)
    if versions.parse(newest) >= TOOLCHAINS or found[1].count(".") > 1:
        raise CannotDetect(
            f"go.mod asks for Go {found[1]}, and the newest toolchain that can be had is {newest}: "
            f"write `go {'.'.join(newest.split('.')[:2])}` if the code allows it, "
            "or set a registry with `ph config set registry.mirror HOST`"
        )
    return newest, (f"go.mod asks for Go {found[1]}; the newest toolchain that can be had is {newest}, which is used",)


def _main_package(tree: Tree) -> str:
    """The package to build: the root, `cmd/NAME` or another one; of several in `cmd`, the one called as the module, or `server`."""
    module = re.search(r"^module\s+(\S+)", tree.text("go.mod"), re.MULTILINE)
    name = module[1].rsplit("/", 1)[-1] if module else ""
    files = [
        path for path in tree.ending(".go") if not path.startswith("vendor/") and not path.endswith("_test.go") and path.count("/") <= 3
    ]
    folders = sorted(
        {path.rpartition("/")[0] for path in files if _MAIN.search(tree.text(path))}, key=lambda folder: (folder.count("/"), folder)
    )
    if "" in folders:
        return "."
    commands = [folder for folder in folders if folder.startswith("cmd")]
    preferred = [folder for folder in commands if folder.rpartition("/")[2] in (name, "server", "web", "api")]
    for folder in (*preferred, *commands, *folders):
        return f"./{folder}"
    raise CannotDetect(f"{tree.name} is a Go module without a program (no `package main`): add a Dockerfile")


def _port(tree: Tree) -> int | None:
    sources = [path for path in tree.ending(".go") if not path.startswith("vendor/") and path.count("/") <= 4][:400]
    if tree.mentions(_READS_PORT, sources):
        return None
    return next((int(found[1]) for path in sources if (found := _LISTENS.search(tree.text(path)))), None)
