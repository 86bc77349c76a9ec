"""What a Python file defines and does, read without running it: application objects, factories, servers it starts, its imports."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pilothouse.platform.builds.detect.tree import Tree

FACTORIES = ("create_app", "make_app", "get_app", "build_app", "create_application", "app_factory")
_PORTS = range(1, 65536)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ASSIGNED = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*([\w.]*)\(?", re.MULTILINE)
_IMPORTED = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)
_DEFINED = re.compile(r"^def (\w+)\(", re.MULTILINE)
_CALLED = re.compile(r"(?<![\w.])([\w.]+)\(")


@dataclass(slots=True)
class Module:
    """assigned: what each name at the top is made by, as written (`flask.Flask`), "" when it is no call.

    functions: at the top, callable without arguments. imports: first parts of absolute imports. calls: as written, anywhere.
    port: the first port number written in a call. reads_port: it looks PORT up. loopback: a call names this host only.
    main: it does something when it is run as a script.
    """

    path: str
    assigned: dict[str, str] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    port: int | None = None
    reads_port: bool = False
    loopback: bool = False
    main: bool = False

    def calls_any(self, *names: str) -> bool:
        """Whether a call's name, or its last parts, is one of these."""
        return any(call == name or call.endswith(f".{name}") for call in self.calls for name in names)


def read_module(tree: Tree, path: str) -> Module:
    """Syntax newer than this interpreter's is read by patterns, line by line."""
    text = tree.text(path)
    module = Module(path, reads_port=bool(re.search(r"[\"']PORT[\"']", text)))
    try:
        parsed = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        _read_patterns(text, module)
        return module
    for statement in _top_level(parsed.body, module):
        _statement(statement, module)
    for node in ast.walk(parsed):
        _node(node, module)
    return module


def _read_patterns(text: str, module: Module) -> None:
    module.assigned = {found[1]: found[2] for found in reversed(list(_ASSIGNED.finditer(text)))}
    module.functions = set(_DEFINED.findall(text))
    module.imports = set(_IMPORTED.findall(text))
    module.calls = set(_CALLED.findall(text))
    module.main = "__main__" in text


def _top_level(body: list[ast.stmt], module: Module) -> Iterator[ast.stmt]:
    """Statements that importing carries out; what stands under `if __name__ == "__main__"` is not among them."""
    for statement in body:
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            module.main = True
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            parts = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
            yield from _top_level([inner for part in parts for inner in part], module)
        else:
            yield statement


def _statement(statement: ast.stmt, module: Module) -> None:
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        maker = _called(statement.value) if statement.value is not None else ""
        for name in (target.id for target in targets if isinstance(target, ast.Name)):
            module.assigned.setdefault(name, maker)
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = statement.args
        needed = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
        if needed == 0 and all(default is not None for default in arguments.kw_defaults):
            module.functions.add(statement.name)
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            module.assigned.setdefault(alias.asname or alias.name, "")
    elif isinstance(statement, ast.Expr) and _called(statement.value):
        module.main = True


def _called(value: ast.expr | None) -> str:
    """`flask.Flask` of `flask.Flask(__name__)`; the innermost call of a chain such as `A().b()`."""
    while isinstance(value, ast.Await):
        value = value.value
    return ast.unparse(value.func) if isinstance(value, ast.Call) and _is_dotted(value.func) else ""


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))


def _node(node: ast.AST, module: Module) -> None:
    if isinstance(node, ast.Import):
        module.imports |= {alias.name.partition(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        module.imports.add(node.module.partition(".")[0])
    elif isinstance(node, ast.Call):
        name = ast.unparse(node.func) if _is_dotted(node.func) else ""
        module.calls.add(name or (node.func.attr if isinstance(node.func, ast.Attribute) else ""))
        _addresses(node, name.rpartition(".")[2], module)


def _addresses(call: ast.Call, name: str, module: Module) -> None:
    """Ports and hosts in a call that may start a server."""
    words = {keyword.arg: keyword.value for keyword in call.keywords}
    port = _number(words.get("port")) or _number(words.get("server_port"))
    hosts = [words.get("host"), words.get("address"), words.get("server_name")]
    if name in (
        "listen",
        "bind",
        "TCPServer",
        "HTTPServer",
        "ThreadingHTTPServer",
        "ThreadingTCPServer",
        "start_server",
        "make_server",
        "serve",
    ):
        given = [item for arg in call.args for item in (arg.elts if isinstance(arg, ast.Tuple) else [arg])]
        port = port or next((number for arg in given if (number := _number(arg))), None)
        hosts += given
    if name in (
        "listen",
        "run",
        "serve",
        "run_app",
        "bind",
        "launch",
        "TCPServer",
        "HTTPServer",
        "ThreadingHTTPServer",
        "make_server",
        "start_server",
        "TCPSite",
    ):
        module.loopback = module.loopback or any(isinstance(host, ast.Constant) and host.value in _LOOPBACK for host in hosts)
    module.port = module.port or port


def _number(node: ast.expr | None) -> int | None:
    is_port = isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool) and node.value in _PORTS
    return node.value if is_port else None  # type: ignore[union-attr]
