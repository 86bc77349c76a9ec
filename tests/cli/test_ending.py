"""How `ph` ends: one sentence, the right exit code, and never a traceback."""

import ast
import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from aiohttp import web

from pilothouse.cli import ending, main
from pilothouse.cli.session import NAMESPACED, Session, placed
from pilothouse.cli.settings.home import Home
from pilothouse.model.errors import NotFound
from tests.cli.answers import APPS, answering, app, saying, write_kubeconfig
from tests.cli.pseudo_terminal import PH

LABEL = "use lower case letters, digits and dashes, such as team-a"
MISTAKES = [
    (["deploi"], 2, "Error: No such command 'deploi'. Did you mean 'deploy'?"),
    (["apps", "--all-namespace"], 2, "Error: No such option '--all-namespace'. (Did you mean one of: '--all-namespaces', '--namespace'?)"),
    (["apps", "--home", "/x"], 2, "Error: --home goes before the command: ph --home ... apps"),
    (["apps", "extra"], 2, "Error: Got unexpected extra argument (extra)"),
    (["logs"], 2, "Error: Missing argument 'APP'."),
    (["up", "--port", "0"], 2, "Error: Invalid value for '--port': 0 is not in the range 1<=x<=65535."),
    (["config", "lst"], 2, "Error: No such command 'lst'. (Did you mean one of: 'list', 'set'?)"),
    (["apps", "-n", ""], 2, "Error: Invalid value for '-n' / '--namespace': '' is no name of a namespace: " + LABEL),
    (["delete", "shop", "-n", "../x"], 2, "Error: Invalid value for '-n' / '--namespace': '../x' is no name of a namespace: " + LABEL),
    (["--kubeconfig", "", "apps"], 2, "Error: --kubeconfig is empty: name a place, or leave it out"),
    (["--home", "", "apps"], 2, "Error: --home is empty: name a place, or leave it out"),
    (["--home", "/etc/passwd", "up"], 2, "Error: /etc/passwd is no folder: choose another with --home"),
    (["env", "set", "shop", "A=\udcff"], 2, "Error: 'A=\\udcff' is not text in the encoding of this terminal (utf-8)"),
    (["deploy", ""], 2, "Error: the path is empty: name a folder, or leave it out for this one"),
    (
        ["config", "set", "npm.registry", ""],
        1,
        "Error: npm.registry cannot be empty: `ph --home HOME config unset npm.registry` goes back to what was found",
    ),
    (["--kubeconfig", "HOME/none", "apps"], 1, "Error: no kubeconfig at HOME/none: name one with --kubeconfig or $KUBECONFIG"),
    (["apps"], 1, "Error: there is no cluster at HOME: start one with `ph --home HOME up`"),
    (["status"], 1, "Error: there is no cluster at HOME: start one with `ph --home HOME up`"),
    (["kubectl", "get", "pods"], 1, "Error: there is no cluster at HOME: start one with `ph --home HOME up`"),
]


def ph(*words: str, input: str = "", **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PH, *words], capture_output=True, text=True, check=False, timeout=60, input=input, **more)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(("words", "code", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_one_sentence_and_an_exit_code(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    home = str(tmp_path / "home")
    done = ph("--home", home, *[word.replace("HOME", home) for word in words])
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1] == said.replace("HOME", home)


@pytest.mark.parametrize("words", [[], ["config"], ["env"]])
def test_a_group_alone_shows_its_help(words: list[str]) -> None:
    done = ph(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout


def test_a_full_disk_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PH, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, "Error: the output cannot be written: no space left on device\n")


def test_a_reader_that_has_gone_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PH, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


def test_characters_that_the_locale_lacks_end_nothing() -> None:
    show = "from pilothouse.cli import terminal; terminal.forgive_encoding(); print('\\u00e9t\\u00e9 \\u5e97 \\udcff')"
    environ = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, env=environ, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"\xe9t\xe9 ? ?\n")


def test_commands_in_messages_of_the_platform_are_for_the_instance_that_was_asked(tmp_path: Path) -> None:
    session = Session(Home(tmp_path), None, verbose=False)
    error = ending.explained(ExceptionGroup("tasks", [NotFound("set a mirror with `ph config set ca FILE`")]), session)
    assert isinstance(error, click.ClickException)
    assert error.message == f"set a mirror with `ph --home {tmp_path} config set ca FILE`"


def test_where_the_shell_does_not_find_it_messages_call_it_by_its_path(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "ph"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom pilothouse.cli.main import main\nmain()\n")
    script.chmod(0o755)
    environ = os.environ | {"PILOTHOUSE_HOME": str(tmp_path / "home")}
    for path, called in (("/nowhere", "bin/ph"), (str(script.parent), "ph")):
        done = subprocess.run(["./bin/ph", "apps"], cwd=tmp_path, env=environ | {"PATH": path}, capture_output=True, text=True, check=False)
        assert done.stderr.endswith(f"start one with `{called} up`\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("logs shop --build", "logs shop --build -n team"),
        ("kubectl edit secret s", "kubectl edit secret s -n team"),
        ("kubectl create namespace team", "kubectl create namespace team"),
        ("apps -A", "apps -A"),
        ("config set ca FILE", "config set ca FILE"),
    ],
)
def test_commands_in_messages_are_for_the_namespace_that_was_asked(tmp_path: Path, words: str, expected: str) -> None:
    session = Session(Home(tmp_path), None, verbose=False)
    session.namespace = "team"
    assert placed(f"see `ph {words}`", session) == f"see `ph --home {tmp_path} {expected}`"


def test_every_command_with_a_namespace_is_known_as_one() -> None:
    def takes(command: click.Command | None) -> bool:
        group = command if isinstance(command, click.Group) else click.Group()
        inner = [takes(group.get_command(context, name)) for name in group.list_commands(context)]
        return command is not None and (any("--namespace" in each.opts for each in command.params) or any(inner))

    context = click.Context(main.ph)
    found = {name for name in main.COMMANDS if takes(main.ph.get_command(context, name))}
    assert found | {"kubectl"} == NAMESPACED


def test_no_message_names_a_command_past_the_place_that_completes_it() -> None:
    """`output.say` and `note` and every error are completed for the instance; what click prints directly is not."""
    printed = [
        f"{path.name}:{node.lineno}"
        for path in Path(main.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("click.echo", "print") and "`ph " in ast.unparse(node)
    ]
    assert printed == []


def test_a_command_that_names_its_instance_stays_as_it_is(tmp_path: Path) -> None:
    session = Session(Home(tmp_path), None, verbose=False)
    error = ending.explained(click.ClickException("start it with `ph --home /other up`"), session)
    assert isinstance(error, click.ClickException)
    assert error.message == "start it with `ph --home /other up`"


def test_a_file_that_cannot_be_read_is_named() -> None:
    error = ending.explained(PermissionError(13, "Permission denied", "/etc/shadow"), None)
    assert isinstance(error, click.ClickException)
    assert error.message == "/etc/shadow: permission denied"


def test_apps_of_a_stopped_instance_are_answered_as_its_status_is(tmp_path: Path) -> None:
    write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    done = ph("--home", str(tmp_path), "apps")
    expected = f"Error: Pilothouse is stopped at {tmp_path}: start it with `ph --home {tmp_path} up`\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_another_cluster_that_does_not_answer_is_not_taken_for_the_instance(tmp_path: Path) -> None:
    write_kubeconfig(tmp_path, "http://127.0.0.1:1")
    done = ph("--kubeconfig", str(tmp_path / "admin.kubeconfig"), "apps")
    assert done.stderr == "Error: the API server at http://127.0.0.1:1 cannot be reached: connection refused; is it running?\n"


async def test_a_cluster_without_the_platform_has_no_apps(tmp_path: Path) -> None:
    async with answering(tmp_path, apps=[]) as server:
        server.overrides[APPS] = not_served
        done = await asyncio.to_thread(ph, "--home", str(tmp_path), "apps")
        other = await asyncio.to_thread(ph, "--kubeconfig", str(tmp_path / "admin.kubeconfig"), "apps")
    lacking = "Error: there are no apps on this cluster, since the platform is not part of it: add it with"
    assert done.stderr == f"{lacking} `ph --home {tmp_path} down` and `ph --home {tmp_path} up --platform`\n"
    assert other.stderr == f"{lacking} `ph --kubeconfig {tmp_path}/admin.kubeconfig run platform`\n"


async def not_served(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=404, text="404 page not found")


async def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(tmp_path: Path) -> None:
    async with answering(tmp_path, apps=[app("shop")], namespaces=["default", "team"]) as server:
        server.overrides[APPS.replace("default", "taem")] = saying({"items": []})
        wrong_app = await asyncio.to_thread(ph, "--home", str(tmp_path), "logs", "shpo")
        wrong_namespace = await asyncio.to_thread(ph, "--home", str(tmp_path), "apps", "-n", "taem")
    assert wrong_app.stderr.startswith("Error: there is no app shpo in namespace default: did you mean shop? ")
    assert wrong_namespace.stderr.startswith("Error: there is no namespace 'taem': did you mean team? ")


async def test_without_a_terminal_a_question_names_the_option_that_answers_it(tmp_path: Path) -> None:
    async with answering(tmp_path, apps=[app("shop")]):
        done = await asyncio.to_thread(ph, "--home", str(tmp_path), "delete", "shop")
    expected = "Error: Remove shop with revisions, secrets and routes? There is no terminal to ask at: use --yes\n"
    assert (done.returncode, done.stderr) == (1, expected)


@pytest.mark.parametrize("words", [["apps"], ["status"]])
async def test_what_is_asked_often_loads_no_heavy_library(tmp_path: Path, words: list[str]) -> None:
    """Each of them takes longer to load than the request takes."""
    heavy = {"aiohttp", "pydantic", "cryptography", "structlog", "grpc", "uvloop"}
    async with answering(tmp_path, apps=[app("shop")]) as server:
        server.overrides |= {"/version": saying({"gitVersion": "v1"}), APPS.replace("namespaces/default/", ""): saying({"items": []})}
        command = [sys.executable, "-X", "importtime", *PH[1:], "--kubeconfig", str(tmp_path / "admin.kubeconfig"), *words]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert done.returncode == 0
    assert "pilothouse" in loaded
    assert not heavy & loaded
