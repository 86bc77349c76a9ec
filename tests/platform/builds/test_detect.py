from pathlib import Path

import pytest

from pilothouse.platform.builds.detect import CannotDetect, detect

Tree = dict[str, str]


def grown(folder: Path, tree: Tree) -> Path:
    for name, text in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
PROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["fastapi>=0.100", "Uvicorn[standard]"]\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.11"\nFlask = "*"\n'
KNOWN: dict[str, tuple[Tree, str, str]] = {
    "flask": (
        {"requirements.txt": "Flask==3.1.3\n", "app.py": "app = Flask(__name__)\n"},
        "-r requirements.txt gunicorn",
        "gunicorn --bind 0.0.0.0:8080 --workers 2 app:app",
    ),
    "flask with its server": (
        {"requirements.txt": "flask\ngunicorn\n", "wsgi.py": "application = make()\n"},
        "-r requirements.txt",
        "gunicorn --bind 0.0.0.0:8080 --workers 2 wsgi:application",
    ),
    "factory": (
        {"requirements.txt": "flask\n", "shop/__init__.py": "def create_app(config=None):\n    ...\n"},
        "-r requirements.txt gunicorn",
        "gunicorn --bind 0.0.0.0:8080 --workers 2 'shop:create_app()'",
    ),
    "fastapi": (
        {"requirements.txt": "fastapi\n", "main.py": "app: FastAPI = FastAPI()\n"},
        "-r requirements.txt uvicorn",
        "uvicorn --host 0.0.0.0 --port 8080 main:app",
    ),
    "asgi factory": (
        {"requirements.txt": "starlette\n", "main.py": "def create_app():\n    ...\n"},
        "-r requirements.txt uvicorn",
        "uvicorn --host 0.0.0.0 --port 8080 --factory main:create_app",
    ),
    "src layout": (
        {"pyproject.toml": PROJECT, "src/shop/__init__.py": "", "src/shop/api.py": "app = FastAPI()\n"},
        "install --no-cache-dir .",
        "uvicorn --host 0.0.0.0 --port 8080 shop.api:app",
    ),
    "poetry": (
        {"pyproject.toml": POETRY, "app.py": "app = Flask(__name__)\n"},
        "install --no-cache-dir . gunicorn",
        "gunicorn --bind 0.0.0.0:8080 --workers 2 app:app",
    ),
    "django": (
        {"requirements.txt": "Django>=5\n", "manage.py": MANAGE},
        "-r requirements.txt gunicorn",
        "gunicorn --bind 0.0.0.0:8080 --workers 2 shop.wsgi",
    ),
    "streamlit": (
        {"requirements.txt": "streamlit\n", "streamlit_app.py": "import streamlit\n"},
        "-r requirements.txt",
        "streamlit run streamlit_app.py --server.port 8080 --server.address 0.0.0.0 --server.headless true",
    ),
    "Procfile": (
        {"requirements.txt": "flask\n", "Procfile": "worker: x\nweb: python serve.py --port $PORT\n"},
        "-r requirements.txt",
        "python serve.py --port $PORT",
    ),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_a_known_kind_of_project_gets_its_server(kind: str, tmp_path: Path) -> None:
    tree, install, command = KNOWN[kind]
    found = detect(grown(tmp_path, tree), "3.11")
    lines = found.dockerfile.splitlines()
    assert lines[0] == "FROM python:3.11-slim"
    assert lines[-1] == f"CMD exec {command}"
    assert next(line for line in lines if "pip install" in line).endswith(install)
    assert found.why


def test_the_requirements_come_before_the_source_so_that_their_layer_is_kept(tmp_path: Path) -> None:
    found = detect(grown(tmp_path, KNOWN["flask"][0]), "3.11", port=9000)
    assert found.dockerfile == (
        "FROM python:3.11-slim\n"
        "WORKDIR /app\n"
        "RUN useradd --uid 10001 --no-create-home app && chown app /app\n"
        "COPY requirements.txt ./\n"
        "RUN pip install --no-cache-dir -r requirements.txt gunicorn\n"
        "COPY . ./\n"
        "ENV PORT=9000 PYTHONUNBUFFERED=1\n"
        "EXPOSE 9000\n"
        "USER 10001\n"
        "CMD exec gunicorn --bind 0.0.0.0:9000 --workers 2 app:app\n"
    )


def test_a_source_folder_without_a_package_is_on_the_path(tmp_path: Path) -> None:
    found = detect(grown(tmp_path, {"requirements.txt": "flask\n", "src/app.py": "app = Flask(__name__)\n"}), "3.11")
    assert "PYTHONPATH=/app/src" in found.dockerfile
    assert found.dockerfile.endswith("app:app\n")


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "has no Dockerfile and is no Python project"),
        ({"index.js": ""}, "has no Dockerfile and is no Python project"),
        ({"requirements.txt": "requests\n", "tool.py": "print(1)\n"}, "none of app.py, main.py"),
        ({"requirements.txt": "flask\n", "app.py": "if app == 1:\n    pass\n"}, "none of app.py, main.py"),
        ({"requirements.txt": "django\n", "manage.py": ""}, "names no settings module"),
        ({"requirements.txt": "streamlit\n"}, "uses streamlit but has no app.py"),
        ({"pyproject.toml": "[project\n"}, "is not valid TOML"),
    ],
)
def test_what_does_not_say_how_to_run_it_is_refused_with_the_way_out(tree: Tree, message: str, tmp_path: Path) -> None:
    with pytest.raises(CannotDetect, match=message):
        detect(grown(tmp_path, tree), "3.11")
