"""How a Python project's dependencies get into the image."""

import pytest

from pilothouse.platform.builds.detect import CannotDetect
from pilothouse.platform.builds.detect.python.project import pip_range
from tests.platform.builds.detect.trees import ANYTHING, SEVERAL, copies, found, runs, web

Tree = dict[str, str | bytes]
APP = "from flask import Flask\napp = Flask(__name__)\n"
API = "from fastapi import FastAPI\napp = FastAPI()\n"
PROJECT = '[project]\nname = "demo"\nversion = "1"\ndependencies = ["fastapi>=0.100", "uvicorn[standard]; python_version > \'3\'"]\n'
PACKAGE = f'{PROJECT}[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


def test_the_whole_dockerfile_of_a_small_app() -> None:
    assert found({"requirements.txt": "flask\n", "app.py": APP}, port=9000).dockerfile == (
        "FROM python:3.11-slim\n"
        "WORKDIR /app\n"
        "RUN useradd --uid 10001 --create-home --home-dir /home/app app && mkdir -p /app && chown app:app /app\n"
        "ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 FORWARDED_ALLOW_IPS=*\n"
        "COPY requirements.txt ./\n"
        "RUN pip install -r requirements.txt\n"
        "RUN pip install gunicorn\n"
        "COPY --chown=10001:10001 . ./\n"
        "ENV PORT=9000 PYTHONPATH=/app\n"
        "EXPOSE 9000\n"
        "USER 10001\n"
        'CMD ["/bin/bash", "-c", "exec gunicorn --bind 0.0.0.0:$PORT --workers ${WEB_CONCURRENCY:-1} --threads ${WEB_THREADS:-8} '
        '--preload --access-logfile - app:app"]\n'
    )


@pytest.mark.parametrize(
    ("extra", "copied"),
    [
        ({"requirements.txt": "-r requirements/base.txt\n", "requirements/base.txt": "flask"}, ["requirements/base.txt ./requirements/"]),
        ({"requirements.txt": "flask\n-c constraints.txt\n", "constraints.txt": "flask<4"}, ["requirements.txt constraints.txt ./"]),
        ({"requirements.txt": "flask\n./libs/mylib\n", "libs/mylib/pyproject.toml": ""}, ["libs/mylib ./libs/mylib/"]),
        ({"requirements.txt": "flask\n-e ./libs/mylib[x]\n", "libs/mylib/pyproject.toml": ""}, ["libs/mylib ./libs/mylib/"]),
        ({"requirements.txt": "flask\nmylib @ file:./wheels/a.whl\n", "wheels/a.whl": ""}, ["wheels/a.whl ./wheels/"]),
        ({"requirements.txt": "flask\n--find-links wheels/\n", "wheels/a.whl": ""}, ["wheels ./wheels/"]),
        ({"requirements.txt": "-rbase reqs.txt\nflask", "base reqs.txt": "x"}, ['["requirements.txt", "base reqs.txt", "./"]']),
    ],
)
def test_what_requirements_refer_to_is_copied_before_they_are_installed(extra: Tree, copied: list[str]) -> None:
    detected = found({"app.py": APP, **extra})
    lines = detected.dockerfile.splitlines()
    install = lines.index("RUN pip install -r requirements.txt")
    for wanted in copied:
        assert lines.index(f"COPY {wanted}") < install
    assert copies(detected)[-1] == "COPY --chown=10001:10001 . ./"
    assert lines.index(copies(detected)[-1]) > install


def test_names_of_included_files_count_and_those_of_constraints_do_not() -> None:
    tree: Tree = {"requirements.txt": "-r more.txt\n-c limits.txt", "more.txt": "Fast_API # x", "limits.txt": "uvicorn==1", "main.py": API}
    assert "pip install uvicorn" in runs(found({**tree, "more.txt": "FastAPI"}))


@pytest.mark.parametrize("line", ["-e .", ".", "-e .[web]"])
def test_a_source_that_installs_itself_is_copied_first(line: str) -> None:
    lines = found({"requirements.txt": f"flask\n{line}\n", "setup.py": "", "app.py": APP}).dockerfile.splitlines()
    assert lines.index("COPY --chown=10001:10001 . ./") < lines.index("RUN pip install -r requirements.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_requirements_are_read_in_any_encoding(encoding: str) -> None:
    text = ("\ufeff" if encoding == "utf-16-le" else "") + "fastapi\r\nuvicorn\r\n"
    assert web(found({"requirements.txt": text.encode(encoding), "main.py": "app = make()\n"})).startswith("uvicorn")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-r ../common.txt", r"lies outside the source \(`-r ../common.txt`\)"),
        ("-r missing.txt", "requirements.txt includes missing.txt, which the source does not have"),
        ("./libs/none", "requirements.txt installs libs/none, which the source does not have"),
        ("-e /opt/lib", "lies outside the source"),
    ],
)
def test_a_reference_that_cannot_be_followed_is_named(line: str, message: str) -> None:
    with pytest.raises(CannotDetect, match=message):
        found({"requirements.txt": f"flask\n{line}\n", "app.py": APP})


@pytest.mark.parametrize(
    ("lock", "command", "needs"),
    [
        ("uv.lock", "uv export --quiet --frozen --no-dev --no-emit-project --output-file", "pyproject.toml"),
        ("poetry.lock", "poetry export --quiet --only main --output", "pyproject.toml"),
        ("pdm.lock", "pdm export --quiet --prod --format requirements --output", "pyproject.toml"),
        ("Pipfile.lock", "pipenv requirements --hash >", "Pipfile"),
    ],
)
def test_a_lock_file_is_exported_by_its_own_tool_in_a_stage_of_its_own(lock: str, command: str, needs: str) -> None:
    text = '[packages]\nfastapi = "*"\n' if needs == "Pipfile" else PROJECT
    detected = found({lock: "", needs: text, "main.py": API})
    assert f"COPY {needs} {lock} ./" in copies(detected)
    assert f"{command} /tmp/requirements.lock" in runs(detected)
    assert "COPY --from=lock /tmp/requirements.lock /tmp/requirements.lock" in copies(detected)
    assert "pip install -r /tmp/requirements.lock" in runs(detected)
    assert f"{lock}: the locked versions are installed" in detected.why[1]


def test_a_workspace_is_copied_whole_before_its_lock_is_exported() -> None:
    lock = '[[package]]\nname = "demo"\nsource = { virtual = "." }\n[[package]]\nname = "lib"\nsource = { editable = "lib" }\n'
    lines = found({"uv.lock": lock, "pyproject.toml": PROJECT, "main.py": API, "lib/pyproject.toml": ""}).dockerfile.splitlines()
    assert "COPY . ./" in lines
    assert lines.index("COPY --chown=10001:10001 . ./") < lines.index("RUN pip install -r /tmp/requirements.lock")


@pytest.mark.parametrize(
    "extra",
    [
        {"static/a.css": "", "templates/a.html": ""},
        {"models.py": "", "routes.py": ""},
        {"app/__init__.py": "", "migrations/__init__.py": ""},
    ],
)
def test_a_project_file_without_a_build_system_lists_dependencies_only(extra: Tree) -> None:
    detected = found({"pyproject.toml": PROJECT, "main.py": API, **extra})
    assert "pip install 'fastapi>=0.100' 'uvicorn[standard]; python_version > '\"'\"'3'\"'\"''" in runs(detected)
    assert not any("pip install --no-deps ." in line for line in runs(detected))
    assert "no [build-system]" in detected.why[1]


@pytest.mark.parametrize(
    ("project", "extra", "installed"),
    [
        (PACKAGE, {"demo/__init__.py": ""}, True),
        (PACKAGE, {}, False),
        (PACKAGE.replace("hatchling.build", "setuptools.build_meta"), {"app/x.py": "", "web/y.py": ""}, False),
        (PACKAGE, {"src/demo/__init__.py": ""}, True),
        (f"{PACKAGE}[tool.uv]\npackage = false\n", {"demo/__init__.py": ""}, False),
        ('[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\nfastapi = "*"\n[build-system]\nrequires = []\n', {}, False),
    ],
)
def test_a_project_is_installed_itself_when_it_is_a_package(project: str, extra: Tree, installed: bool) -> None:
    assert ("pip install --no-deps ." in runs(found({"pyproject.toml": project, "main.py": API, **extra}))) is installed


@pytest.mark.parametrize(
    ("poetry", "pip"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2", ">=0.2,<0.3"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("*", ""),
        ("1.5", "==1.5"),
        (">=1,<3", ">=1,<3"),
    ],
)
def test_poetrys_ranges_become_pips(poetry: str, pip: str) -> None:
    assert pip_range(poetry) == pip


def test_poetry_and_pipfile_without_a_lock_install_what_their_tables_say() -> None:
    poetry = (
        '[tool.poetry.dependencies]\npython = "^3.10"\nFlask = "^2.1"\n'
        'redis = {version = "^5", extras = ["hiredis"]}\nx = {version = "1", optional = true}\n'
    )
    assert "pip install 'Flask>=2.1,<3' 'redis[hiredis]>=5,<6'" in runs(found({"pyproject.toml": poetry, "app.py": APP}))
    assert "pip install flask==2.0" in runs(found({"Pipfile": '[packages]\nflask = "==2.0"\n', "app.py": APP}))


def test_a_version_of_python_that_cannot_be_had_is_refused_in_one_sentence() -> None:
    asks = PROJECT.replace("version = ", 'requires-python = ">=3.12"\nversion = ', 1)
    with pytest.raises(CannotDetect, match=r"asks for Python >=3.12, and the image that can be had is python:3.11-slim"):
        found({"pyproject.toml": asks, "main.py": API})
    assert found({"pyproject.toml": asks, "main.py": API}, ANYTHING).dockerfile.startswith("FROM python:3.14-slim")


@pytest.mark.parametrize(
    ("path", "text"), [(".python-version", "3.9\n"), ("runtime.txt", "python-3.9.16\n"), (".tool-versions", "python 3.9.1\n")]
)
def test_a_pinned_version_is_taken_where_a_registry_answers_and_warned_of_elsewhere(path: str, text: str) -> None:
    tree: Tree = {"requirements.txt": "flask", "app.py": APP, path: text}
    assert found(tree, ANYTHING).dockerfile.startswith("FROM python:3.9")
    assert f"{path} names Python 3.9" in found(tree).warnings[0]


@pytest.mark.parametrize(
    ("path", "text", "version"),
    [
        (".python-version", "# of the project\n3.14\n3.9\n", "3.13"),
        (".python-version", "cpython-3.12.1  # pinned\n", "3.13"),
        ("runtime.txt", "python-3.8.1", "3.11"),
    ],
)
def test_of_a_version_that_cannot_be_had_the_nearest_is_taken(path: str, text: str, version: str) -> None:
    detected = found({"requirements.txt": "flask", "app.py": APP, path: text}, SEVERAL)
    assert detected.dockerfile.startswith(f"FROM python:{version}-slim")
    assert f"the nearest that can be had is {version}, which is used" in detected.warnings[0]


def test_system_packages_come_with_distributions_that_need_them_and_from_an_aptfile() -> None:
    tree: Tree = {
        "requirements.txt": "flask\npsycopg2\nx @ git+https://git.example/x\n",
        "app.py": APP,
        "Aptfile": "# for pdf\npoppler-utils\n; rm -rf /\n",
    }
    line = runs(found(tree))[0]
    assert "install -y --no-install-recommends build-essential python3-dev libpq-dev git poppler-utils &&" in line
    assert "rm -rf / " not in line


def test_the_app_runs_as_a_user_with_a_home_who_owns_its_files() -> None:
    detected = found({"requirements.txt": "flask", "app.py": APP})
    assert "--create-home --home-dir /home/app" in runs(detected)[0]
    assert "COPY --chown=10001:10001 . ./" in copies(detected)
