"""Node projects: a server that `start` runs, or a site that `build` leaves behind."""

import re
from collections.abc import Collection

from pilothouse.platform.builds.detect import static
from pilothouse.platform.builds.detect.node.manager import Manager, manager
from pilothouse.platform.builds.detect.node.package import Package, package
from pilothouse.platform.builds.detect.node.site import DEVELOPMENT_SERVERS, Site, renders_on_request, site
from pilothouse.platform.builds.detect.node.version import Node, node
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
_READS_PORT = re.compile(r"\benv(?:\.PORT\b|\[\s*['\"]PORT['\"]\s*\])|\{[^{}]{0,300}\bPORT\b[^{}]{0,300}\}\s*=\s*process\.env")
_LISTENS = re.compile(r"(?:\.listen\(\s*|\bport\s*[:=]\s*(?:process\.env\.\w+\s*\|\|\s*)?)(\d{2,5})\b", re.IGNORECASE)
_PORT_OPTION = re.compile(r"(?:-p|--port)[ =](\d{2,5})\b|^PORT=(\d{2,5})\b")
_FROM_GIT = re.compile(r"git\+|\"github:")
PRODUCTION = "start:prod"
"""A script that runs what `build` has made, where `start` runs a program for development."""
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
    chosen = node(tree, project, offer)
    if (built := site(tree, project)) is not None:
        return _static(project, tool, chosen, built, port, tree)
    command, how = _start(tree, project, tool)
    served = None if not command else _port(tree, command)
    where = "the port in PORT" if served is None else f"port {served}"
    why = (f"Node {chosen.number}{chosen.why}", tool.why)
    return Recipe(
        "node",
        tuple(_server(tree, project, tool, chosen.number, given or [command])),
        command,
        why,
        f"{how}, serving on {where}",
        served,
        missing=_missing(tree, project),
        user=USER,
        variables={"NODE_ENV": "production", "PATH": "/app/node_modules/.bin:$PATH"},
        warnings=chosen.warnings,
    )


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
    if DEVELOPMENT_SERVERS.match(line) and (served := _framework(tree, project)):
        return served
    if line and _runs_development(project, [line]) and (made := project.scripts.get(PRODUCTION, "")) and "build" in project.scripts:
        return made, f"package.json: `{PRODUCTION}` runs {made}"
    if line and not {"prestart", "poststart"} & project.scripts.keys():
        return line, f"package.json: `start` runs {line}"
    if line:
        return f"{tool.name} {'' if tool.name in ('npm', 'yarn') else 'run '}start", "package.json has `start`"
    if served := _framework(tree, project):
        return served
    main = project.main if project.main and tree.has(project.main.removeprefix("./")) else ""
    file = main or tree.first(*SERVERS)
    return (f"node {quoted(file)}", f"{file} is run") if file else ("", "")


def _framework(tree: Tree, project: Package) -> tuple[str, str] | None:
    """(command line, how it was found) of a framework's own server, which its build leaves behind."""
    if "next" in project.dependencies:
        return "next start", "Next: next start"
    if "nuxt" in project.all_names:
        return "node .output/server/index.mjs", "Nuxt: its own server"
    if "@sveltejs/adapter-node" in project.all_names:
        return "node build", "SvelteKit: the server of adapter-node"
    if "@astrojs/node" in project.all_names and renders_on_request(tree, project):
        return "HOST=0.0.0.0 node dist/server/entry.mjs", "Astro: the server of @astrojs/node"
    return None


def _missing(tree: Tree, project: Package) -> str:
    adapter = next((name for name in sorted(project.all_names) if name.startswith("@sveltejs/adapter-")), "no adapter")
    if "@sveltejs/kit" in project.all_names:
        return (
            f"{tree.name} is a SvelteKit project with {adapter}, which leaves no server behind that runs here: "
            "take @sveltejs/adapter-node instead, or add a Procfile with `web: COMMAND`"
        )
    return (
        f"{tree.name}/package.json has no `start` script and there is none of {', '.join(SERVERS[:4])}: "
        "add one, or a Procfile with `web: COMMAND`"
    )


def _static(project: Package, tool: Manager, chosen: Node, built: Site, port: int, tree: Tree) -> Recipe:
    stage = [
        line.replace("-slim", "-slim AS build") if line.startswith("FROM ") else line
        for line in _stage(tree, project, tool, chosen.number, everything=True)
    ]
    # Angular puts the site one or two folders deeper, under the project's name.
    is_deeper = "@angular/cli" in project.all_names
    move = [f'RUN cp -r "$(dirname "$(find {built.folder} -name index.html | head -n 1)")" /tmp/site'] if is_deeper else []
    lines = [
        *stage,
        f"RUN {tool.run} build{built.options}",
        *move,
        "",
        f"FROM {static.NGINX}",
        *static.serve(port, single_page=built.single_page),
        f"COPY --from=build {'/tmp/site' if is_deeper else f'/app/{built.folder}'} {static.ROOT}/",  # noqa: S108
    ]
    why = (f"Node {chosen.number}{chosen.why}", tool.why)
    web_why = f"package.json: `build` makes a site in {built.folder}, served by nginx"
    return Recipe("static", tuple(lines), static.NGINX_COMMAND, why, web_why, port, user="", warnings=chosen.warnings)


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
