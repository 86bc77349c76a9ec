"""Node projects: a server that `start` runs, or a site that `build` leaves behind."""

import re
from collections.abc import Collection

from pilothouse.platform.builds.detect import static, versions
from pilothouse.platform.builds.detect.node.manager import Manager, manager
from pilothouse.platform.builds.detect.node.package import Package, package
from pilothouse.platform.builds.detect.plan import Offer
from pilothouse.platform.builds.detect.recipe import Recipe, apt_install
from pilothouse.platform.builds.detect.shell import quoted
from pilothouse.platform.builds.detect.tree import Tree

SERVERS = (
    "server.js",
    "index.js",
    "app.js",
    "main.js",
    "server.mjs",
    "index.mjs",
    "src/server.js",
    "src/index.js",
    "src/app.js",
    "bin/www",
)
SITES = {
    "react-scripts": "build",
    "vite": "dist",
    "@vue/cli-service": "dist",
    "@angular/cli": "dist",
    "parcel": "dist",
    "gatsby": "public",
    "@docusaurus/core": "build",
    "@11ty/eleventy": "_site",
    "vuepress": "docs/.vuepress/dist",
    "vitepress": "docs/.vitepress/dist",
    "webpack": "dist",
    "astro": "dist",
}
"""Builders of sites and the folder that they write, the more telling first."""
DEVELOPMENT_SERVERS = re.compile(
    r"^(?:\w+=\S+ )*(?:npx )?(?:react-scripts start|vite\b|vue-cli-service serve|ng serve|parcel\b|gatsby develop|astro dev|"
    r"docusaurus start|webpack[- ](?:dev-server|serve)|serve\b|http-server\b|live-server\b)"
)
_READS_PORT = re.compile(r"\benv(?:\.PORT\b|\[\s*['\"]PORT['\"]\s*\])|\{[^{}]{0,300}\bPORT\b[^{}]{0,300}\}\s*=\s*process\.env")
_LISTENS = re.compile(r"(?:\.listen\(\s*|\bport\s*[:=]\s*(?:process\.env\.\w+\s*\|\|\s*)?)(\d{2,5})\b", re.IGNORECASE)
_PORT_OPTION = re.compile(r"(?:-p|--port)[ =](\d{2,5})\b|^PORT=(\d{2,5})\b")
_OUT_DIR = re.compile(r"outDir\s*:\s*['\"]\.?/?([\w./-]+)['\"]")
_ASTRO_SERVER = re.compile(r"output\s*:\s*['\"](?:server|hybrid)['\"]")
_EXPORTED = re.compile(r"output\s*:\s*['\"]export['\"]")
_FROM_GIT = re.compile(r"git\+|\"github:")
_DEVELOPMENT = frozenset({"ts-node", "tsx", "nodemon", "nest"})
NATIVE = frozenset({"bcrypt", "sqlite3", "better-sqlite3", "canvas", "node-gyp", "argon2", "node-sass"})
MOST_SOURCES = 200
USER = "1000"


def is_node(tree: Tree) -> bool:
    return tree.has("package.json")


def recipe(tree: Tree, offer: Offer, port: int, given: Collection[str] = ()) -> Recipe:
    """given: command lines of a Procfile, which take the place of the one found. Raises CannotDetect."""
    project = package(tree)
    tool = manager(tree, project)
    version, version_why, warnings = _version(tree, project, offer)
    site = _site(tree, project)
    if site is not None:
        return _static(project, tool, version, site, port, tree)
    command, how = _start(tree, project, tool)
    served = None if not command else _port(tree, command)
    where = "the port in PORT" if served is None else f"port {served}"
    why = (f"Node {version}{version_why}", tool.why)
    return Recipe(
        "node",
        tuple(_server(tree, project, tool, version, given or [command])),
        command,
        why,
        f"{how}, serving on {where}",
        served,
        missing=f"{tree.name}/package.json has no `start` script and there is none of {', '.join(SERVERS[:4])}: "
        "add one, or a Procfile with `web: COMMAND`",
        user=USER,
        variables={"NODE_ENV": "production", "PATH": "/app/node_modules/.bin:$PATH"},
        warnings=warnings,
    )


def _version(tree: Tree, project: Package, offer: Offer) -> tuple[str, str, tuple[str, ...]]:
    """(version of the base image, why, warnings)."""
    offered = offer.preferred("node", "22")
    pinned = next((path for path in (".nvmrc", ".node-version") if tree.has(path)), "")
    asked = tree.text(pinned).strip().lstrip("v") if pinned else project.engine
    place = pinned or "engines in package.json"
    if not asked or not re.search(r"\d", asked) or versions.allows(asked, offered):
        return offered, "", ()
    if fitting := offer.fitting("node", asked):
        return fitting, f" ({place}: {asked})", ()
    if offer.exact:
        return offered, "", (f"{place} asks for Node {asked}; the image that can be had is {offered}, which is used",)
    newest = next((str(major) for major in (24, 22, 20, 18, 16) if versions.allows(asked, str(major))), offered)
    return newest, f" ({place}: {asked})", ()


def _stage(tree: Tree, project: Package, tool: Manager, version: str, *, everything: bool) -> list[str]:
    """Up to and with the source. everything: packages that only development and builds need too."""
    config = [path for path in (".npmrc",) if tree.has(path)]
    source = "COPY --chown=1000:1000 . ./"
    copied = f"COPY --chown=1000:1000 {' '.join(['package.json', *tool.files, *config])} ./"
    # A script of the project itself, or a package of the same tree, needs the whole source.
    bundled_yarn = tool.name == "yarn" and not tool.setup
    whole = project.workspaces or bundled_yarn or _own_scripts(project) or tree.has_folder("patches")
    install = f"RUN {tool.install if everything else tool.install_production}"
    packages = ["build-essential", "python3"] if project.all_names & NATIVE else []
    packages += ["git"] if _FROM_GIT.search(tree.text("package.json")) else []
    return [
        f"FROM node:{version}-slim",
        *([apt_install(*packages)] if packages else []),
        "WORKDIR /app",
        *([f"RUN {tool.setup}"] if tool.setup else []),
        "RUN chown 1000:1000 /app",
        "ENV NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false NEXT_TELEMETRY_DISABLED=1",
        f"USER {USER}",
        *([source, install] if whole else [copied, install, source]),
    ]


def _own_scripts(project: Package) -> bool:
    """Installing runs them, and what they call is often a development package."""
    return bool({"preinstall", "install", "postinstall", "prepare"} & project.scripts.keys())


def _runs_development(project: Package, lines: Collection[str]) -> bool:
    """Whether the app is run by a program that only development packages bring."""
    words = {word for line in lines for word in line.split()}
    return bool(words & (_DEVELOPMENT | project.development))


def _server(tree: Tree, project: Package, tool: Manager, version: str, lines: Collection[str]) -> list[str]:
    """The image of a project that runs a server. lines: the commands that run."""
    builds, runs = "build" in project.scripts, _runs_development(project, lines)
    everything = builds or runs or _own_scripts(project)
    prune = [f"RUN {tool.prune}"] if everything and not runs and tool.prune and project.development else []
    build = [f"RUN {tool.run} build"] if builds else []
    return [*_stage(tree, project, tool, version, everything=everything), *build, *prune]


def _start(tree: Tree, project: Package, tool: Manager) -> tuple[str, str]:
    """(command line, how it was found); ("", "") when nothing says."""
    line = project.scripts.get("start", "")
    if line and not {"prestart", "poststart"} & project.scripts.keys():
        return line, f"package.json: `start` runs {line}"
    if line:
        return f"{tool.name} {'' if tool.name in ('npm', 'yarn') else 'run '}start", "package.json has `start`"
    if "next" in project.dependencies:
        return "next start", "Next: next start"
    if "nuxt" in project.all_names:
        return "node .output/server/index.mjs", "Nuxt: its own server"
    main = project.main if project.main and tree.has(project.main.removeprefix("./")) else ""
    file = main or tree.first(*SERVERS)
    return (f"node {quoted(file)}", f"{file} is run") if file else ("", "")


def _site(tree: Tree, project: Package) -> str | None:
    """The folder with the built site, None for a project that runs a server."""
    start = project.scripts.get("start", "")
    if "next" in project.dependencies:
        config = tree.first("next.config.js", "next.config.mjs", "next.config.ts")
        return "out" if config and _EXPORTED.search(tree.text(config)) else None
    if "build" not in project.scripts or tree.has("Procfile") or (start and not DEVELOPMENT_SERVERS.match(start)):
        return None
    if not start and tree.first("server.js", "server/index.js", "src/server.js"):
        return None
    builder = next((name for name in SITES if name in project.all_names), "")
    if not builder or (builder == "astro" and tree.mentions(_ASTRO_SERVER, ("astro.config.mjs", "astro.config.ts"))):
        return None
    config = tree.first("vite.config.js", "vite.config.ts", "vite.config.mjs")
    found = _OUT_DIR.search(tree.text(config)) if config else None
    return found[1].strip("/") if found else SITES[builder]


def _static(project: Package, tool: Manager, version: str, folder: str, port: int, tree: Tree) -> Recipe:
    stage = [
        line.replace("-slim", "-slim AS build") if line.startswith("FROM ") else line
        for line in _stage(tree, project, tool, version, everything=True)
    ]
    # Angular puts the site one or two folders deeper, under the project's name.
    site = "@angular/cli" in project.all_names
    move = [f'RUN cp -r "$(dirname "$(find {folder} -name index.html | head -n 1)")" /tmp/site'] if site else []
    lines = [
        *stage,
        f"RUN {tool.run} build",
        *move,
        "",
        f"FROM {static.NGINX}",
        *static.serve(port, single_page=True),
        f"COPY --from=build {'/tmp/site' if site else f'/app/{folder}'} {static.ROOT}/",  # noqa: S108
    ]
    why = (f"Node {version}", tool.why)
    web_why = f"package.json: `build` makes a site in {folder}, served by nginx"
    return Recipe("static", tuple(lines), static.NGINX_COMMAND, why, web_why, port, user="")


def _port(tree: Tree, command: str) -> int | None:
    """The port that the server names; None when it reads PORT."""
    if option := _PORT_OPTION.search(command):
        return int(option[1] or option[2])
    sources = [path for path in tree.files if path.endswith((".js", ".mjs", ".cjs", ".ts")) or path == "bin/www"]
    sources = [path for path in sources if path.count("/") <= 2 and not path.startswith(("test", "dist/", "public/", "static/"))][
        :MOST_SOURCES
    ]
    if tree.mentions(_READS_PORT, sources) or command.startswith(("next ", "node .output")):
        return None
    named = next((path for path in command.split() if tree.has(path.removeprefix("./"))), "")
    for path in dict.fromkeys([*([named.removeprefix("./")] if named else []), *SERVERS, *sources]):
        if found := _LISTENS.search(tree.text(path)):
            return int(found[1])
    return None
