"""Which command serves a Python project."""

import pytest

from pilothouse.platform.builds.detect import CannotDetect
from tests.platform.builds.detect.trees import found, runs, web

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
Tree = dict[str, str | bytes]
SERVED: dict[str, tuple[Tree, str]] = {
    "flask": ({"requirements.txt": "Flask==3.1.3\n", "app.py": FLASK}, "gunicorn app:app"),
    "flask under another name": (
        {"requirements.txt": "flask", "hello.py": "import flask\nblog = flask.Flask('x')\n"},
        "gunicorn hello:blog",
    ),
    "application made elsewhere": (
        {"requirements.txt": "flask", "wsgi.py": "from shop import app as application\n"},
        "gunicorn wsgi:application",
    ),
    "factory": (
        {"requirements.txt": "flask", "shop/__init__.py": "def create_app(config=None):\n    ...\n"},
        "gunicorn 'shop:create_app()'",
    ),
    "fastapi": ({"requirements.txt": "fastapi", "main.py": "app: FastAPI = FastAPI()\n"}, "uvicorn main:app"),
    "asgi factory": ({"requirements.txt": "starlette", "main.py": "def create_app():\n    ...\n"}, "uvicorn --factory main:create_app"),
    "fastapi beside flask": ({"requirements.txt": "flask\nfastapi", "main.py": FASTAPI}, "uvicorn main:app"),
    "litestar": ({"requirements.txt": "litestar", "app.py": "from litestar import Litestar\napp = Litestar([])\n"}, "uvicorn app:app"),
    "in a package": ({"requirements.txt": "fastapi", "app/__init__.py": "", "app/main.py": FASTAPI}, "uvicorn app.main:app"),
    "in a folder": ({"requirements.txt": "fastapi", "api/main.py": FASTAPI}, "uvicorn api.main:app"),
    "in src": ({"requirements.txt": "fastapi", "src/shop/__init__.py": "", "src/shop/api.py": FASTAPI}, "uvicorn shop.api:app"),
    "in a folder that imports by bare names": (
        {"requirements.txt": "fastapi", "api/main.py": f"import models\n{FASTAPI}", "api/models.py": ""},
        "uvicorn main:app",
    ),
    "sanic": ({"requirements.txt": "sanic", "app.py": "from sanic import Sanic\napp = Sanic('x')\n"}, "sanic app:app"),
    "aiohttp object": ({"requirements.txt": "aiohttp", "app.py": "from aiohttp import web\napp = web.Application()\n"}, "gunicorn app:app"),
    "dash": ({"requirements.txt": "dash", "app.py": "import dash\napp = dash.Dash()\nserver = app.server\n"}, "gunicorn app:server"),
    "streamlit": ({"requirements.txt": "streamlit", "streamlit_app.py": "import streamlit\n"}, "streamlit run streamlit_app.py"),
    "bottle routes": (
        {"requirements.txt": "bottle", "app.py": "from bottle import route, run\nrun(host='localhost')\n"},
        "python -m bottle app",
    ),
}


@pytest.mark.parametrize("kind", SERVED)
def test_an_application_gets_the_server_of_its_kind(kind: str) -> None:
    tree, wanted = SERVED[kind]
    program, _, target = wanted.rpartition(" ")
    assert web(found(tree)).startswith(program.split(" --")[0])
    assert target in web(found(tree))
    assert "$PORT" in web(found(tree))
    assert found(tree).port == 8080


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("import http.server\nhttp.server.HTTPServer(('', 8123), http.server.SimpleHTTPRequestHandler).serve_forever()\n", 8123),
        ("import os, http.server\nport = int(os.environ['PORT'])\nhttp.server.HTTPServer(('', port), None).serve_forever()\n", 8080),
        ("from socketserver import TCPServer\nwith TCPServer(('0.0.0.0', 9000), None) as s:\n    s.serve_forever()\n", 9000),
    ],
)
def test_a_plain_script_serves_on_the_port_that_it_names(text: str, port: int) -> None:
    detected = found({"main.py": text})
    assert (web(detected), detected.port) == ("python main.py", port)


def test_a_tornado_and_a_gradio_script_are_run() -> None:
    tornado = "import tornado.web\napp = tornado.web.Application([])\nif __name__ == '__main__':\n    app.listen(8888)\n"
    assert found({"requirements.txt": "tornado", "app.py": tornado}).port == 8888
    gradio = found({"requirements.txt": "gradio", "app.py": "import gradio as gr\ndemo = gr.Interface(f, 'text', 'text')\ndemo.launch()\n"})
    assert web(gradio) == "GRADIO_SERVER_PORT=$PORT python app.py"
    assert "GRADIO_SERVER_NAME=0.0.0.0" in gradio.dockerfile


def test_a_server_on_loopback_is_warned_of() -> None:
    text = "from http.server import *\nHTTPServer(('127.0.0.1', 8000), None).serve_forever()\n"
    assert "let it listen on 0.0.0.0" in found({"app.py": text}).warnings[0]


def test_the_one_console_script_that_serves_is_run() -> None:
    scripts = 'scripts = {shop = "shop.cli:main", shop-db = "shop.db:main"}'
    project = f'[project]\nname = "shop"\nversion = "1"\n{scripts}\n[build-system]\nrequires = []\n'
    serves = "import uvicorn\ndef main():\n    uvicorn.run('x', host='0.0.0.0', port=9001)\n"
    detected = found({"pyproject.toml": project, "shop/__init__.py": "", "shop/cli.py": serves, "shop/db.py": "def main(): ...\n"})
    assert (web(detected), detected.port) == ("shop", 9001)


def test_syntax_that_is_too_new_is_still_looked_through() -> None:
    assert "main:app" in web(found({"requirements.txt": "fastapi", "main.py": f"{FASTAPI}type X[T] = list[\n"}))


def test_the_reasons_name_the_files() -> None:
    assert found({"requirements.txt": "flask", "app.py": FLASK}).why == (
        "Python 3.11",
        "requirements.txt: its distributions are installed",
        "Flask: app.py makes `app`, served by gunicorn",
    )


def test_gunicorn_loads_the_app_before_it_listens_and_is_added_when_nobody_names_it() -> None:
    assert "--preload" in web(found({"requirements.txt": "flask", "app.py": FLASK}))
    assert "pip install gunicorn" in runs(found({"requirements.txt": "flask", "app.py": FLASK}))
    assert "pip install gunicorn" not in runs(found({"requirements.txt": "flask\ngunicorn", "app.py": FLASK}))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"requirements.txt": "requests\n", "tool.py": "print(1)\n"}, "none of app.py, main.py"),
        ({"requirements.txt": "requests\n", "main.py": "print(1)\n"}, "`worker: python main.py` if it serves no requests"),
        ({"requirements.txt": "flask\n", "app.py": "if app == 1:\n    pass\n"}, "none of app.py, main.py"),
        ({"requirements.txt": "django\n", "manage.py": ""}, "names no settings module"),
        ({"requirements.txt": "streamlit\n"}, "uses streamlit but has no app.py"),
        ({"app.py": FLASK}, "app.py imports flask, and nothing says which distributions to install: add a requirements.txt"),
        ({"pyproject.toml": "[project\n"}, "shop/pyproject.toml is not valid TOML"),
    ],
)
def test_what_does_not_say_how_to_run_it_is_refused_with_the_way_out(tree: Tree, message: str) -> None:
    with pytest.raises(CannotDetect, match=message):
        found(tree)
