"""Node projects whose `build` leaves a site behind: files that a web server hands out."""

import re
from dataclasses import dataclass

from pilothouse.platform.builds.detect.node.package import Package
from pilothouse.platform.builds.detect.tree import Tree

SITES = {
    "react-scripts": "build",
    "@sveltejs/adapter-static": "build",
    "gatsby": "public",
    "@docusaurus/core": "build",
    "@11ty/eleventy": "_site",
    "vuepress": "docs/.vuepress/dist",
    "vitepress": "docs/.vitepress/dist",
    "astro": "dist",
    "vite": "dist",
    "@vue/cli-service": "dist",
    "@angular/cli": "dist",
    "parcel": "dist",
    "webpack": "dist",
}
"""Builders of sites and the folder that they write, the more telling first."""
PAGES = frozenset({"gatsby", "@docusaurus/core", "@11ty/eleventy", "vuepress", "vitepress", "astro"})
"""Builders that write a file for each page, and one for what is not there."""
DEVELOPMENT_SERVERS = re.compile(
    r"^(?:\w+=\S+ )*(?:npx )?(?:react-scripts start|vite\b|vue-cli-service serve|ng serve|parcel\b"
    r"|gatsby (?:develop|serve)|astro (?:dev|preview)"
    r"|docusaurus (?:start|serve)|(?:@11ty/)?eleventy\b.* --(?:serve|watch)\b|(?:vuepress|vitepress) (?:dev|serve|preview)"
    r"|webpack[- ](?:dev-server|serve)|serve\b|http-server\b|live-server\b)"
)
_OUT_DIR = re.compile(r"outDir\s*:\s*['\"]([\w./-]+)['\"]")
_ELEVENTY = re.compile(r"^\s*output\s*:\s*['\"]\.?/?([\w./-]+)['\"]", re.MULTILINE)
_ELEVENTY_FILES = ("eleventy.config.js", "eleventy.config.mjs", "eleventy.config.cjs", ".eleventy.js")
_ASTRO_SERVER = re.compile(r"output\s*:\s*['\"](?:server|hybrid)['\"]")
_EXPORTED = re.compile(r"output\s*:\s*['\"]export['\"]")


@dataclass(frozen=True, slots=True)
class Site:
    """folder: that `build` writes. options: of the build script. single_page: index.html answers paths without a file."""

    folder: str
    options: str = ""
    single_page: bool = True


def site(tree: Tree, project: Package) -> Site | None:
    """None for a project that runs a server."""
    start = project.scripts.get("start", "")
    if "next" in project.dependencies:
        config = tree.first("next.config.js", "next.config.mjs", "next.config.ts")
        return Site("out") if config and _EXPORTED.search(tree.text(config)) else None
    if "build" not in project.scripts or tree.has("Procfile") or (start and not DEVELOPMENT_SERVERS.match(start)):
        return None
    if not start and tree.first("server.js", "server/index.js", "src/server.js"):
        return None
    builder = next((name for name in SITES if name in project.all_names), "")
    if not builder or renders_on_request(tree, project):
        return None
    return _written_by(tree, builder)


def renders_on_request(tree: Tree, project: Package) -> bool:
    """Whether a framework that can do both is set to run as a server."""
    if "@sveltejs/kit" in project.all_names:
        return "@sveltejs/adapter-static" not in project.all_names
    return "astro" in project.all_names and tree.mentions(_ASTRO_SERVER, ("astro.config.mjs", "astro.config.js", "astro.config.ts"))


def _written_by(tree: Tree, builder: str) -> Site:
    single_page, folder = builder not in PAGES, SITES[builder]
    if builder == "@11ty/eleventy" and (config := tree.first(*_ELEVENTY_FILES)):
        found = _ELEVENTY.search(tree.text(config))
        return Site(found[1].strip("/") if found else folder, single_page=single_page)
    config = tree.first("vite.config.js", "vite.config.ts", "vite.config.mjs")
    found = _OUT_DIR.search(tree.text(config)) if config else None
    if found is None:
        return Site(folder, single_page=single_page)
    if found[1].startswith(("/", "..")):
        # Beside the project, where a monorepo's server picks it up: here it stays inside.
        return Site(folder, f" -- --outDir {folder} --emptyOutDir", single_page)
    return Site(found[1].removeprefix("./").strip("/"), single_page=single_page)
