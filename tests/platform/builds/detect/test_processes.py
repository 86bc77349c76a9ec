"""What a Procfile and app.json say of an app's processes."""

import json

import pytest

from pilothouse.platform.builds.detect import CannotDetect, Tree, detect_with_dockerfile
from tests.platform.builds.detect.trees import found, web

APP = {"requirements.txt": "flask\ngunicorn\n", "app.py": "from flask import Flask\napp = Flask(__name__)\n"}


def lines(procfile: str | bytes, **more: str) -> dict[str, str]:
    return {name: process.line for name, process in found({**APP, "Procfile": procfile, **more}).processes.items()}


@pytest.mark.parametrize(
    "procfile",
    ["web: a b\nworker: c\n", "web : a b\r\nworker:c\r\n", "\ufeffweb: a b\n# x: y\n\n  worker:  c  \n", "WEB: a b\nworker: c"],
)
def test_every_process_type_of_a_procfile_is_there(procfile: str) -> None:
    assert lines(procfile) == {"web": "a b", "worker": "c"}


def test_a_procfile_in_utf_16_is_read() -> None:
    assert lines("web: a\n".encode("utf-16")) == {"web": "a"}


def test_a_procfile_without_web_makes_an_app_without_a_port() -> None:
    detected = found({**APP, "Procfile": "release: x\nsend_mail: python mail.py\n"})
    assert detected.port is None
    assert list(detected.processes) == ["release", "send-mail"]
    assert 'CMD ["/bin/bash", "-c", "exec python mail.py"]' in detected.dockerfile
    assert "EXPOSE" not in detected.dockerfile


def test_a_procfile_runs_what_detection_does_not_know() -> None:
    assert web(found({"requirements.txt": "requests", "x.py": "", "Procfile": "web: python x.py"})) == "python x.py"


def test_the_server_of_a_procfile_is_installed_when_nothing_names_it() -> None:
    tree = {"requirements.txt": "flask", "app.py": APP["app.py"]}
    assert "RUN pip install gunicorn\n" in found({**tree, "Procfile": "web: gunicorn app:app"}).dockerfile
    assert "RUN pip install gunicorn\n" not in found({**tree, "Procfile": "web: python app.py"}).dockerfile


@pytest.mark.parametrize(
    ("procfile", "message"),
    [
        ("web python app.py", "Procfile line 1 is not `NAME: COMMAND`"),
        ("web: a\nweb: b", "Procfile line 2: web is there twice"),
        ("-x: a", "'-x' cannot name a process"),
        ("web: a\nhttp://x", "Procfile line 2 is not"),
    ],
)
def test_a_bad_line_is_named(procfile: str, message: str) -> None:
    with pytest.raises(CannotDetect, match=message):
        lines(procfile)


def test_app_json_gives_variables_a_health_check_a_release_and_cron_lines() -> None:
    settings = {
        "env": {
            "MODE": "live",
            "WORKERS": {"value": 2},
            "KEY": {"required": True},
            "SALT": {"generator": "secret"},
            "OLD": {"required": False},
        },
        "healthchecks": {"web": [{"type": "liveness", "path": "/live"}, {"type": "startup", "path": "/ready"}]},
        "scripts": {"dokku": {"predeploy": "python migrate.py", "postdeploy": "x"}, "postdeploy": "y"},
        "cron": [{"command": "python nightly.py", "schedule": "0 3  * * *"}],
        "addons": ["redis"],
        "environments": {"test": {}},
        "name": "shop",
    }
    detected = found({**APP, "app.json": json.dumps(settings)})
    assert detected.environment == {"MODE": "live", "WORKERS": "2"}
    assert detected.health == "/ready"
    assert detected.processes["release"].line == "python migrate.py"
    assert (detected.processes["cron-1"].line, detected.processes["cron-1"].schedule) == ("python nightly.py", "0 3 * * *")
    assert (detected.required, detected.generated) == (("KEY",), ("SALT",))
    assert detected.warnings == ("app.json: addons, scripts.dokku.postdeploy, scripts.postdeploy are not taken",)


def test_an_expo_app_json_means_nothing_here() -> None:
    assert found({**APP, "app.json": '{"expo": {"name": "x"}}'}).warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "app.json is not valid JSON"),
        ('{"cron": [{"command": "x", "schedule": "daily"}]}', "cron entry 1 needs"),
        ('{"env": []}', None),
    ],
)
def test_a_bad_app_json_is_named(text: str, message: str | None) -> None:
    if message is None:
        assert found({**APP, "app.json": text}).environment == {}
        return
    with pytest.raises(CannotDetect, match=message):
        found({**APP, "app.json": text})


def test_a_dockerfile_keeps_its_procfile() -> None:
    detected = detect_with_dockerfile(Tree.of({"Dockerfile": "FROM x", "Procfile": "worker: python w.py"}), "Dockerfile")
    assert detected.processes["worker"].argv == ("/bin/sh", "-c", "exec python w.py")
    assert detected.dockerfile == ""


def test_a_compose_file_is_spoken_of() -> None:
    detected = found({**APP, "docker-compose.yml": ""})
    assert detected.warnings == ("docker-compose.yml is not read: `ph compose up` deploys its services",)
