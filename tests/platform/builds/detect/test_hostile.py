"""Files that no project means seriously: each tree is read in no time, or refused in a sentence."""

import contextlib
import json

import pytest

from pilothouse.platform.builds.detect import CannotDetect, Offer, Tree, detect, detect_with_dockerfile
from tests.cpu import takes_under

OFFER = Offer({"python": "3.11", "node": "18", "golang": "1.19", "eclipse-temurin": "17", "rust": "1", "ruby": "3.1", "php": "8.2"})
SHAPES: list[object] = [5, "x", ["a"], [5], {"a": 1}, True, None, {"web": 5}]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_of_another_kind_are_passed_over_or_refused(shape: object) -> None:
    toml = "{a = 1}" if isinstance(shape, dict) else json.dumps(shape).replace("null", "0")
    trees = [
        {"Procfile": "web: x", "app.py": "", "app.json": json.dumps({"env": {}, "healthchecks": shape, "scripts": shape, "cron": shape})},
        {"index.php": "", "composer.json": json.dumps({"require": shape})},
        {"index.js": "", "package.json": json.dumps({"scripts": shape, "dependencies": shape, "engines": shape, "main": shape})},
        {"src/main.rs": "", "Cargo.toml": f"package = {toml}\nbin = {toml}"},
        {"app.py": "", "pyproject.toml": f"project = {toml}\ntool = {toml}", "uv.lock": f"package = {toml}"},
    ]
    for tree in trees:
        with contextlib.suppress(CannotDetect):
            detect(Tree.of(tree), OFFER)


@pytest.mark.parametrize(
    "files",
    [
        {"index.js": "", "package.json": "[" * 100_000},
        {"app.py": "", "Procfile": "web: x", "app.json": '{"env":' * 100_000},
        {"app.py": "", "pyproject.toml": "x = " + "[" * 100_000},
        {"app.py": "", "Procfile": "web: echo " + "$(" * 5000},
    ],
    ids=lambda files: next(iter(reversed(files))),
)
def test_what_is_nested_too_deeply_is_refused(files: dict[str, str]) -> None:
    with pytest.raises(CannotDetect):
        detect(Tree.of(files), OFFER)


def test_beside_a_dockerfile_too() -> None:
    with pytest.raises(CannotDetect, match="nested too deeply"):
        detect_with_dockerfile(Tree.of({"Procfile": "web: echo " + "$(" * 5000}), "Dockerfile")


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "", "app.py": "x = a" + ".a" * 100_000},
        {"setup.py": "install_requires=[" * 30_000},
        {"app.py": "", "Procfile": "web: " + "a " * 200_000},
        {"main.go": "package main", "go.mod": "module x\n" + "a." * 200_000},
        {"main.go": "package main", "go.mod": "go 1." + "1" * 6000},
        {"pom.xml": "<java.version>" + "1" * 6000},
        {"server.js": "{" * 200_000, "package.json": "{}"},
        {"server.js": "{PORT" * 100_000, "package.json": "{}"},
        {"manage.py": "django 'DJANGO_SETTINGS_MODULE', 'a.settings'", "a/settings.py": "ALLOWED_HOSTS = [\n" * 30_000},
    ],
    ids=lambda files: next(iter(reversed(files))),
)
def test_no_text_takes_long_to_read(files: dict[str, str]) -> None:
    with takes_under(3), contextlib.suppress(CannotDetect):
        detect(Tree.of(files), OFFER)
