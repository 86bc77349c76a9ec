import pytest

from pilothouse.platform.builds.bases import Reference, recipe_for

VERSIONS = {"python": "3.11", "node": "18", "debian": "12"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("python", ("docker.io", "library/python", "latest")),
        ("python:3.11-slim", ("docker.io", "library/python", "3.11-slim")),
        ("docker.io/python:3", ("docker.io", "library/python", "3")),
        ("library/python:3", ("docker.io", "library/python", "3")),
        ("grafana/grafana", ("docker.io", "grafana/grafana", "latest")),
        ("quay.io/buildah/stable:v1", ("quay.io", "buildah/stable", "v1")),
        ("localhost/x", ("localhost", "x", "latest")),
        ("127.0.0.1:5000/apps/shop:1", ("127.0.0.1:5000", "apps/shop", "1")),
        ("python:3@sha256:abc", ("docker.io", "library/python", "sha256:abc")),
    ],
)
def test_names_are_taken_apart_as_docker_does(name: str, expected: tuple[str, str, str]) -> None:
    found = Reference.parse(name)
    assert (found.registry, found.repository, found.tag) == expected


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("python", "python"),
        ("python:3", "python"),
        ("python:3.11", "python"),
        ("python:3.11.2", "python"),
        ("python:3-slim", "python-slim"),
        ("python:slim", "python-slim"),
        ("python:3.11-slim-bookworm", "python-slim"),
        ("python:3.11-bookworm", "python"),
        ("node:18", "node"),
        ("node:lts", "node"),
        ("node:lts-slim", "node-slim"),
        ("node:18-bookworm-slim", "node-slim"),
        ("debian:12", "debian"),
        ("debian:12-slim", "debian"),
        ("debian:bookworm-slim", "debian"),
        ("debian:stable-slim", "debian"),
        ("python:3.1", None),
        ("python:3.12", None),
        ("python:3-alpine", None),
        ("python:3@sha256:abc", None),
        ("node:20", None),
        ("alpine:3", None),
        ("quay.io/library/python:3", None),
        ("someone/python:3", None),
    ],
)
def test_a_recipe_stands_in_only_for_the_version_that_it_has(name: str, recipe: str | None) -> None:
    assert recipe_for(Reference.parse(name), VERSIONS) == recipe


def test_stand_ins_are_kept_apart_by_registry() -> None:
    assert Reference.parse("python:3").stored == "bases/docker.io/library/python"
