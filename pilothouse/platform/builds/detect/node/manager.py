"""How npm, yarn, pnpm and bun install what a lock file says."""

import re
from dataclasses import dataclass

from pilothouse.platform.builds.detect.node.package import Package
from pilothouse.platform.builds.detect.shell import quoted
from pilothouse.platform.builds.detect.tree import Tree

_LOCK_VERSION = re.compile(r"^lockfileVersion:\s*'?\"?(\d+)", re.MULTILINE)
_PNPM = {"5": "7", "6": "8", "9": "9"}
"""The major version of pnpm that reads a lock of this format, as new as Node 18 runs."""


@dataclass(frozen=True, slots=True)
class Manager:
    """files: what installing reads. why: what was found. production: the option that leaves development packages out, "" for none.

    setup: brings the tool, "" when the image has it. prune: drops what only the build needs, "" where that cannot be done.
    """

    name: str
    files: tuple[str, ...]
    install: str
    why: str
    production: str = ""
    setup: str = ""
    run: str = ""
    prune: str = ""

    @property
    def install_production(self) -> str:
        return f"{self.install} {self.production}".strip()


def manager(tree: Tree, package: Package) -> Manager:
    asked, _, version = package.manager.partition("@")
    if tree.has("pnpm-lock.yaml") or asked == "pnpm":
        return _pnpm(tree, version if asked == "pnpm" else "")
    if tree.has("yarn.lock") or asked == "yarn":
        return _yarn(tree, version if asked == "yarn" else "")
    if bun := tree.first("bun.lock", "bun.lockb"):
        setup = "npm install --global bun"
        return Manager("bun", (bun,), "bun install --frozen-lockfile", f"{bun}: installed by bun", "--production", setup, "bun run")
    return _npm(tree.first("package-lock.json", "npm-shrinkwrap.json"))


def _npm(lock: str) -> Manager:
    why = f"{lock}: the locked versions are installed by npm" if lock else "no lock file: npm installs the versions of the day"
    install = "npm ci" if lock else "npm install"
    return Manager("npm", (lock,) if lock else (), install, why, "--omit=dev", run="npm run", prune="npm prune --omit=dev")


def _pnpm(tree: Tree, version: str) -> Manager:
    lock = tree.first("pnpm-lock.yaml")
    found = _LOCK_VERSION.search(tree.text("pnpm-lock.yaml"))
    version = version or _PNPM.get(found[1] if found else "9", "9")
    install = "pnpm install --frozen-lockfile" if lock else "pnpm install"
    why = f"{lock or 'package.json'}: installed by pnpm {version}"
    setup, prune = f"npm install --global pnpm@{version}", "CI=true pnpm prune --prod"
    return Manager("pnpm", (lock,) if lock else (), install, why, "--prod", setup, "pnpm run", prune)


def _yarn(tree: Tree, version: str) -> Manager:
    lock = tree.first("yarn.lock")
    files = (lock,) if lock else ()
    if tree.has(".yarnrc.yml") or "__metadata:" in tree.text("yarn.lock") or version[:1] in ("2", "3", "4"):
        return _modern_yarn(tree, files, version)
    install = "yarn install --frozen-lockfile" if lock else "yarn install"
    why = f"{lock or 'package.json'}: installed by yarn {version or '1'}"
    setup, prune = f"npm install --global yarn@{version or '1'}", "yarn install --production --ignore-scripts"
    return Manager("yarn", files, install, why, "--production", setup, "yarn run", prune)


def _modern_yarn(tree: Tree, files: tuple[str, ...], version: str) -> Manager:
    """From version 2 on, which comes with the project or from a package of its own."""
    bundled = next((path for path in tree.files if path.startswith(".yarn/releases/yarn-")), "")
    setup = "" if bundled else f"npm install --global @yarnpkg/cli-dist@{version or '4'}"
    tool = f"node {quoted(bundled)}" if bundled else "yarn"
    why = f"yarn.lock: installed by {bundled or f'yarn {version or 4}'}"
    settings = (".yarnrc.yml",) if tree.has(".yarnrc.yml") else ()
    install = f"YARN_NODE_LINKER=node-modules {tool} install --immutable"
    return Manager("yarn", (*files, *settings), install, why, setup=setup, run=f"{tool} run")
