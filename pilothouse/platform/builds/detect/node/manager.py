"""How npm, yarn, pnpm and bun install what a lock file says."""

import re
from dataclasses import dataclass

from pilothouse.platform.builds.detect.node.package import Package
from pilothouse.platform.builds.detect.tree import Tree

_LOCK_VERSION = re.compile(r"^lockfileVersion:\s*'?\"?(\d+)", re.MULTILINE)
_PNPM = {"5": "7", "6": "8", "9": "9"}
"""The major version of pnpm that reads a lock of this format, as new as Node 18 runs."""


@dataclass(frozen=True, slots=True)
class Manager:
    """setup: brings the tool, "" when the image has it. files: what installing reads. prune: drops what only the build needs."""

    name: str
    setup: str
    files: tuple[str, ...]
    install: str
    run: str
    prune: str
    why: str


def manager(tree: Tree, package: Package) -> Manager:
    asked, _, version = package.manager.partition("@")
    if tree.has("pnpm-lock.yaml") or asked == "pnpm":
        return _pnpm(tree, version if asked == "pnpm" else "")
    if tree.has("yarn.lock") or asked == "yarn":
        return _yarn(tree, version if asked == "yarn" else "")
    if bun := tree.first("bun.lock", "bun.lockb"):
        return Manager(
            "bun", "npm install --global bun", (bun,), "bun install --frozen-lockfile", "bun run", "", f"{bun}: installed by bun"
        )
    lock = tree.first("package-lock.json", "npm-shrinkwrap.json")
    if lock:
        return Manager("npm", "", (lock,), "npm ci", "npm run", "npm prune --omit=dev", f"{lock}: the locked versions are installed by npm")
    return Manager("npm", "", (), "npm install", "npm run", "npm prune --omit=dev", "no lock file: npm installs the versions of the day")


def _pnpm(tree: Tree, version: str) -> Manager:
    lock = tree.first("pnpm-lock.yaml")
    found = _LOCK_VERSION.search(tree.text("pnpm-lock.yaml"))
    version = version or _PNPM.get(found[1] if found else "9", "9")
    install = "pnpm install --frozen-lockfile" if lock else "pnpm install"
    why = f"{lock or 'package.json'}: installed by pnpm {version}"
    return Manager(
        "pnpm", f"npm install --global pnpm@{version}", (lock,) if lock else (), install, "pnpm run", "CI=true pnpm prune --prod", why
    )


def _yarn(tree: Tree, version: str) -> Manager:
    lock = tree.first("yarn.lock")
    files = (lock,) if lock else ()
    bundled = next((path for path in tree.files if path.startswith(".yarn/releases/yarn-")), "")
    modern = tree.has(".yarnrc.yml") or "__metadata:" in tree.text("yarn.lock") or version[:1] in ("2", "3", "4")
    if not modern:
        install = "yarn install --frozen-lockfile" if lock else "yarn install"
        why = f"{lock or 'package.json'}: installed by yarn {version or '1'}"
        return Manager(
            "yarn",
            f"npm install --global yarn@{version or '1'}",
            files,
            install,
            "yarn run",
            "yarn install --production --ignore-scripts",
            why,
        )
    setup = "" if bundled else f"npm install --global @yarnpkg/cli-dist@{version or '4'}"
    tool = f"node {bundled}" if bundled else "yarn"
    why = f"yarn.lock: installed by {bundled or f'yarn {version or 4}'}"
    return Manager(
        "yarn",
        setup,
        (*files, *([".yarnrc.yml"] if tree.has(".yarnrc.yml") else [])),
        f"YARN_NODE_LINKER=node-modules {tool} install --immutable",
        f"{tool} run",
        "",
        why,
    )
