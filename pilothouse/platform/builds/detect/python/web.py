"""The command line that serves a Python project, by its framework."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.platform.builds.detect.python import find
from pilothouse.platform.builds.detect.python.find import Application
from pilothouse.platform.builds.detect.python.modules import Module, read_module
from pilothouse.platform.builds.detect.shell import quoted
from pilothouse.platform.builds.detect.tree import Tree

ASGI_NAMES = frozenset({"fastapi", "starlette", "litestar", "quart", "uvicorn", "hypercorn", "blacksheep"})
WSGI_NAMES = frozenset({"flask", "django", "bottle", "falcon", "pyramid", "dash", "web-py"})
GUNICORN = "gunicorn --bind 0.0.0.0:$PORT --workers ${WEB_CONCURRENCY:-1} --threads ${WEB_THREADS:-8} --preload --access-logfile -"
"""One worker, so that each request sees what the app keeps in memory. Preloaded: an app that fails at import never listens."""
SCRIPTS = ("app.py", "main.py", "server.py", "run.py", "web.py", "index.py", "serve.py", "__main__.py")
_SERVES = (
    "serve_forever",
    "HTTPServer",
    "ThreadingHTTPServer",
    "TCPServer",
    "run_app",
    "uvicorn.run",
    "make_server",
    "start_server",
    "TCPSite",
    "launch",
    "serve",
    "listen",
    "app.run",
    "bottle.run",
    "server.run",
    "mcp.run",
)
_DEFAULT_PORTS = (("aiohttp", 8080), ("sanic", 8000), ("uvicorn", 8000), ("bottle", 8080), ("flask", 5000), ("tornado", 8888))


@dataclass(frozen=True, slots=True)
class Web:
    """command: "" when none was found, then `missing` says what would help. packages: distributions to add."""

    command: str
    why: str
    packages: tuple[str, ...] = ()
    port: int | None = None
    path_entry: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    processes: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    missing: str = ""


def served(tree: Tree, names: set[str], scripts: Mapping[str, str]) -> Web:
    """names: of the distributions that are installed. scripts: console scripts of the project by name."""
    for framework, recipe in (("streamlit", _streamlit), ("chainlit", _chainlit)):
        if framework in names:
            return recipe(tree)
    found = find.application(tree)
    if found is not None:
        return _application(tree, found, names)
    return _script(tree, names) or _console(tree, scripts) or _nothing(tree, names, scripts)


def unless(package: str, names: set[str]) -> tuple[str, ...]:
    return () if package in names else (package,)


def _first_script(tree: Tree, *names: str) -> str:
    return tree.first(*names, *(f"src/{name}" for name in names))


def _streamlit(tree: Tree) -> Web:
    script = _first_script(tree, "streamlit_app.py", "app.py", "main.py", "Home.py", "Hello.py", "dashboard.py")
    if not script:
        return Web("", "streamlit", missing=f"{tree.name} uses streamlit but has no app.py: add a Procfile with `web: streamlit run FILE`")
    command = f"streamlit run {quoted(script)} --server.port $PORT --server.address 0.0.0.0 --server.headless true"
    return Web(command, f"streamlit runs {script}", variables={"STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"})


def _chainlit(tree: Tree) -> Web:
    script = _first_script(tree, "app.py", "main.py", "chainlit_app.py")
    if not script:
        return Web("", "chainlit", missing=f"{tree.name} uses chainlit but has no app.py: add a Procfile with `web: chainlit run FILE`")
    return Web(f"chainlit run {quoted(script)} --host 0.0.0.0 --port $PORT --headless", f"chainlit runs {script}")


def _application(tree: Tree, found: Application, names: set[str]) -> Web:
    if found.maker in ("Blocks", "Interface", "ChatInterface", "TabbedInterface"):
        return _gradio(found)
    if found.maker == "Dash":
        return _dash(found, names)
    if found.maker == "Sanic":
        return _sanic(found)
    if found.maker == "Application" and "aiohttp" in found.source.imports:
        return _aiohttp(found, names)
    if found.maker == "Application" and "tornado" in found.source.imports:
        return _run(found.source, found.path_entry, "tornado")
    return _asgi(found, names) if _is_asgi(found, names) else _wsgi(found, names)


def _is_asgi(found: Application, names: set[str]) -> bool:
    """By the class, else by what the module imports, else by what is installed."""
    if found.maker in find.ASGI or found.maker in find.WSGI:
        return found.maker in find.ASGI and not (found.maker == "get_asgi_application" and "django" not in names)
    imported = {name.lower() for name in found.source.imports}
    if imported & ASGI_NAMES or imported & WSGI_NAMES:
        return bool(imported & ASGI_NAMES) and not imported & {"flask", "bottle", "django"}
    if posixpath.basename(found.source.path) == "asgi.py":
        return True
    return bool(names & ASGI_NAMES) and not names & WSGI_NAMES


def _asgi(found: Application, names: set[str]) -> Web:
    target = f"{'--factory ' if found.factory else ''}{found.module}:{found.name}"
    command = f"uvicorn --host 0.0.0.0 --port $PORT {target}"
    return Web(command, f"{_named(found, names & ASGI_NAMES)}, served by uvicorn", unless("uvicorn", names), path_entry=found.path_entry)


def _wsgi(found: Application, names: set[str]) -> Web:
    target = f"'{found.module}:{found.name}()'" if found.factory else f"{found.module}:{found.name}"
    why = f"{_named(found, names & WSGI_NAMES)}, served by gunicorn"
    return Web(f"{GUNICORN} {target}", why, unless("gunicorn", names), path_entry=found.path_entry)


def _named(found: Application, frameworks: set[str] | frozenset[str]) -> str:
    """Such as "Flask: app.py makes `app`"."""
    made = f"{found.source.path} {'has the factory' if found.factory else 'makes'} `{found.name}`"
    framework = found.maker if found.maker in (*find.ASGI, *find.WSGI, *find.SELF_SERVED) else ", ".join(sorted(frameworks))
    return f"{framework}: {made}" if framework else made


def _gradio(found: Application) -> Web:
    run = _run(found.source, found.path_entry, "gradio")
    variables = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_ANALYTICS_ENABLED": "False"}  # noqa: S104
    command = f"GRADIO_SERVER_PORT=$PORT {run.command}"
    why = f"gradio: {found.source.path} makes `{found.name}`"
    return Web(command, why, (), found.source.port, found.path_entry, variables, warnings=run.warnings)


def _dash(found: Application, names: set[str]) -> Web:
    if "server" in found.source.assigned:
        command = f"{GUNICORN} {found.module}:server"
        return Web(
            command, f"Dash: {found.source.path} makes `server`, served by gunicorn", unless("gunicorn", names), path_entry=found.path_entry
        )
    run = _run(found.source, found.path_entry, "Dash")
    return Web(run.command, run.why, (), found.source.port, found.path_entry, {"HOST": "0.0.0.0"}, warnings=run.warnings)  # noqa: S104


def _sanic(found: Application) -> Web:
    command = f"sanic {found.module}:{found.name} --host 0.0.0.0 --port $PORT --single-process"
    return Web(command, f"Sanic: {found.source.path} makes `{found.name}`", path_entry=found.path_entry)


def _aiohttp(found: Application, names: set[str]) -> Web:
    if found.source.calls_any("run_app"):
        return _run(found.source, found.path_entry, "aiohttp")
    command = f"gunicorn --bind 0.0.0.0:$PORT --worker-class aiohttp.GunicornWebWorker --access-logfile - {found.module}:{found.name}"
    why = f"aiohttp: {found.source.path} makes `{found.name}`, served by gunicorn"
    return Web(command, why, unless("gunicorn", names), path_entry=found.path_entry)


def _run(module: Module, path_entry: str, what: str) -> Web:
    """A script that serves by itself, on the port that it looks up or names."""
    port = None if module.reads_port else module.port or next((port for name, port in _DEFAULT_PORTS if name in module.imports), None)
    warnings: tuple[str, ...] = ()
    if module.loopback:
        warnings = (f"{module.path} listens on this host only (127.0.0.1 or localhost): let it listen on 0.0.0.0, or nobody reaches it",)
    where = "the port in PORT" if port is None else f"port {port}"
    return Web(f"python {quoted(module.path)}", f"{what}: {module.path} serves on {where}", (), port, path_entry, warnings=warnings)


def _script(tree: Tree, names: set[str]) -> Web | None:
    """A file that starts a server when it is run."""
    for path in (*SCRIPTS, *(f"src/{name}" for name in SCRIPTS)):
        if tree.has(path):
            module = read_module(tree, path)
            if "bottle" in module.imports and "bottle" in names and not module.reads_port:
                command = f"python -m bottle --bind 0.0.0.0:$PORT {path.removesuffix('.py').replace('/', '.')}"
                return Web(command, f"bottle: {path} has the routes")
            if module.calls_any(*_SERVES):
                return _run(module, "", "a server")
    return None


def _console(tree: Tree, scripts: Mapping[str, str]) -> Web | None:
    """The one console script whose module starts a server."""
    serving = [
        (name, module) for name, target in scripts.items() if (module := _script_module(tree, target)) and module.calls_any(*_SERVES)
    ]
    if len(serving) != 1:
        return None
    name, module = serving[0]
    run = _run(module, "", f"the console script {name}")
    return Web(quoted(name), run.why, port=run.port, warnings=run.warnings)


def _script_module(tree: Tree, target: str) -> Module | None:
    base = target.partition(":")[0].strip().replace(".", "/")
    path = tree.first(f"{base}.py", f"src/{base}.py", f"{base}/__init__.py", f"src/{base}/__init__.py")
    return read_module(tree, path) if path else None


def _nothing(tree: Tree, names: set[str], scripts: Mapping[str, str]) -> Web:
    lone = next((path for path in SCRIPTS if tree.has(path)), "")
    example = f"`worker: python {lone}` if it serves no requests, or `web: COMMAND`" if lone else "`web: COMMAND`"
    if scripts:
        example = f"`web: {next(iter(scripts))} ...`"
    sought = f"none of {', '.join(find.USUAL[:6])} makes an application"
    return Web(
        "",
        "",
        missing=f"{tree.name} is a Python project, but {sought} and no script starts a server: "
        f"add a Procfile with {example}, or a Dockerfile",
    )
