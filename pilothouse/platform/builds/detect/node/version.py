"""Which Node a project gets: the one it names, else one that its locked packages run on."""

import re
from dataclasses import dataclass

from pilothouse.platform.builds.detect import versions
from pilothouse.platform.builds.detect.node.package import Package
from pilothouse.platform.builds.detect.plan import Offer
from pilothouse.platform.builds.detect.tree import Tree

_LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb")
_ENGINES = re.compile(r"\"?engines\"?:\s*\{[^{}]{0,80}\bnode\"?:\s*['\"]?([^'\"{},]{1,80})")
"""Of one package, as npm's and pnpm's locks write it."""


@dataclass(frozen=True, slots=True)
class Node:
    """number: of the base image's tag. why: what asked for it, "" or in brackets. warnings: what it does not honour."""

    number: str
    why: str = ""
    warnings: tuple[str, ...] = ()


def node(tree: Tree, project: Package, offer: Offer) -> Node:
    offered = offer.preferred("node", "22")
    pinned = tree.first(".nvmrc", ".node-version")
    asked = _pinned(tree.text(pinned)) if pinned else project.engine
    place = pinned or "engines in package.json"
    if not re.search(r"\d", asked):
        return _unasked(tree, offer, offered)
    if versions.allows(asked, offered):
        return Node(offered)
    if fitting := offer.fitting("node", asked):
        return Node(fitting, f" ({place}: {asked})")
    if offer.exact:
        nearest = offer.nearest("node", asked, offered)
        return Node(nearest, "", (f"{place} asks for Node {asked}; the nearest that can be had is {nearest}, which is used",))
    newest = next((str(major) for major in (24, 22, 20, 18, 16) if versions.allows(asked, str(major))), offered)
    return Node(newest, f" ({place}: {asked})")


def _pinned(text: str) -> str:
    """The first line of an .nvmrc or .node-version that is no comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return next((line for line in lines if line), "").lstrip("v")


def _unasked(tree: Tree, offer: Offer, offered: str) -> Node:
    """Versions of the day are made for a Node of the day; a lock's packages say which they run on."""
    lock = tree.first(*_LOCKS)
    if not lock:
        newest = offer.newest("node", offered)
        return Node(newest, "" if newest == offered else " (the newest, since nothing names another)")
    ranges = _ENGINES.findall(tree.text(lock))
    best = max(offer.all("node") or (offered,), key=lambda version: sum(versions.allows(asked, version) for asked in ranges))
    return Node(best, "" if best == offered else f" (packages of {lock} ask for it)")
