"""Where in a tree a Python application object is: the usual file names first, packages next, then any file that makes one."""

import posixpath
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.platform.builds.detect.python.modules import FACTORIES, Module, read_module
from pilothouse.platform.builds.detect.tree import Tree

USUAL = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "application.py", "api.py", "run.py", "index.py")
NAMES = ("app", "application", "server", "api", "asgi", "wsgi", "webapp")
ASGI = ("FastAPI", "Starlette", "Litestar", "Quart", "get_asgi_application", "ProtocolTypeRouter")
WSGI = ("Flask", "Bottle", "APIFlask", "get_wsgi_application", "App", "API", "make_wsgi_app")
SELF_SERVED = ("Sanic", "Dash", "Application", "Blocks", "Interface", "ChatInterface", "TabbedInterface")
AMBIGUOUS = {
    "App": frozenset({"falcon"}),
    "API": frozenset({"falcon", "responder"}),
    "Application": frozenset({"aiohttp", "tornado", "blacksheep"}),
    "Interface": frozenset({"gradio"}),
    "Blocks": frozenset({"gradio"}),
}
"""Class names that count only in a module that imports one of these."""
MOST_MODULES = 400


@dataclass(frozen=True, slots=True)
class Application:
    """module: dotted, as it is imported from `path_entry` (a folder relative to the tree). name: of the object or the factory.

    maker: the class or function that makes it, "" when unknown.
    """

    module: str
    name: str
    source: Module
    maker: str = ""
    factory: bool = False
    path_entry: str = ""


def application(tree: Tree) -> Application | None:
    modules = [read_module(tree, path) for path in _candidates(tree)]
    known = (*ASGI, *WSGI, *SELF_SERVED)
    usual = [module for module in modules if posixpath.basename(module.path) in (*USUAL, "__init__.py")]
    for module in usual:
        if found := _made(tree, module, known) or _named(tree, module) or _factory(tree, module):
            return found
    others = (_made(tree, module, known) for module in modules if module not in usual)
    return next((found for found in others if found), None)


def _candidates(tree: Tree) -> Iterator[str]:
    """At the root, in `src`, and one folder below each; tests are no applications."""
    paths = [path for path in tree.ending(".py") if _depth(path) <= 1 and not _is_test(path)]
    return iter(sorted(paths, key=_order)[:MOST_MODULES])


def _depth(path: str) -> int:
    return path.removeprefix("src/").count("/")


def _is_test(path: str) -> bool:
    return path.startswith(("tests/", "test/", "docs/", "examples/", "migrations/")) or posixpath.basename(path).startswith(
        ("test_", "conftest")
    )


def _order(path: str) -> tuple[int, int, str]:
    name = posixpath.basename(path)
    return (_depth(path), USUAL.index(name) if name in USUAL else len(USUAL) + (name != "__init__.py"), path)


def _made(tree: Tree, module: Module, classes: tuple[str, ...]) -> Application | None:
    for name, maker in module.assigned.items():
        last = maker.rpartition(".")[2]
        if last in classes and AMBIGUOUS.get(last, module.imports) & module.imports:
            return _placed(tree, module, name, last)
    return None


def _named(tree: Tree, module: Module) -> Application | None:
    name = next((name for name in NAMES if name in module.assigned and _is_object(module, name)), "")
    return _placed(tree, module, name, module.assigned[name].rpartition(".")[2]) if name else None


def _is_object(module: Module, name: str) -> bool:
    """An assignment from a call; a name that is only imported counts in wsgi.py and asgi.py."""
    return bool(module.assigned[name]) or posixpath.basename(module.path) in ("wsgi.py", "asgi.py")


def _factory(tree: Tree, module: Module) -> Application | None:
    name = next((name for name in FACTORIES if name in module.functions), "")
    return _placed(tree, module, name, "", factory=True) if name else None


def _placed(tree: Tree, module: Module, name: str, maker: str, *, factory: bool = False) -> Application:
    """With the folder that imports are relative to: `src`, or the file's own when it imports its neighbours by bare names."""
    folder = posixpath.dirname(module.path)
    entry = "src" if module.path.startswith("src/") and not tree.has("src/__init__.py") else ""
    if folder and folder != entry and not tree.has(f"{folder}/__init__.py") and _imports_neighbours(tree, module, folder):
        entry = folder
    dotted = module.path.removesuffix(".py").removeprefix(f"{entry}/" if entry else "").replace("/", ".")
    return Application(dotted.removesuffix(".__init__"), name, module, maker, factory, entry)


def _imports_neighbours(tree: Tree, module: Module, folder: str) -> bool:
    return any(
        (tree.has(f"{folder}/{name}.py") or tree.has_folder(f"{folder}/{name}"))
        and not tree.has(f"{name}.py")
        and not tree.has_folder(name)
        for name in module.imports
    )


def foreign_imports(tree: Tree, module: Module) -> list[str]:
    """Imports that neither the standard library nor the tree has."""
    folder = posixpath.dirname(module.path)
    own = {path.removeprefix(f"{folder}/" if folder else "").split("/")[0].removesuffix(".py") for path in tree.ending(".py")}
    return sorted(name for name in module.imports if name not in sys.stdlib_module_names and name not in own)
