import pytest

from pilothouse.oci.packages.release import SIBLINGS
from pilothouse.platform.builds.stand_ins.choose import choose, refusal
from pilothouse.platform.builds.stand_ins.recipes import VERSIONS, recipe
from pilothouse.platform.builds.stand_ins.reference import Reference


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
    ("name", "expected"),
    [
        ("python", "python-bookworm"),
        ("python:3", "python-bookworm"),
        ("python:3.11", "python-bookworm"),
        ("python:3.11.2", "python-bookworm"),
        ("python:3-slim", "python-slim-bookworm"),
        ("python:slim", "python-slim-bookworm"),
        ("python:3.11-slim-bookworm", "python-slim-bookworm"),
        ("python:3.11-bookworm", "python-bookworm"),
        ("python:3.13-slim", "python-slim-trixie"),
        ("python:3-slim-trixie", "python-slim-trixie"),
        ("python:3.11-trixie", None),
        ("node:18", "node-bookworm"),
        ("node:lts", "node-bookworm"),
        ("node:lts-slim", "node-slim-bookworm"),
        ("node:20-bookworm-slim", None),
        ("node:18-bookworm-slim", "node-slim-bookworm"),
        ("node:20-slim", "node-slim-trixie"),
        ("debian:12", "debian-bookworm"),
        ("debian:12-slim", "debian-slim-bookworm"),
        ("debian:bookworm-slim", "debian-slim-bookworm"),
        ("debian:stable-slim", "debian-slim-bookworm"),
        ("debian:13", "debian-trixie"),
        ("debian:trixie", "debian-trixie"),
        ("nginx", "nginx-bookworm"),
        ("nginx:1.26", "nginx-trixie"),
        ("nginx:stable", "nginx-bookworm"),
        ("httpd:2.4", "httpd-bookworm"),
        ("redis:7", "redis-bookworm"),
        ("redis:8-bookworm", None),
        ("postgres:15", "postgres-bookworm"),
        ("postgres:17", "postgres-trixie"),
        ("mariadb:10", "mariadb-bookworm"),
        ("mariadb:11", "mariadb-trixie"),
        ("golang:1.24", "golang-trixie"),
        ("golang:1.19", "golang-bookworm"),
        ("golang", "golang-trixie"),
        ("golang:1", "golang-trixie"),
        ("golang:bookworm", "golang-bookworm"),
        ("eclipse-temurin:17-jre", "eclipse-temurin-jre-bookworm"),
        ("eclipse-temurin:21-jdk", "eclipse-temurin-jdk-trixie"),
        ("openjdk:17-jdk-slim", "openjdk-jdk-bookworm"),
        ("maven:3.9-eclipse-temurin-21", "maven-trixie"),
        ("maven:3-eclipse-temurin-17", "maven-bookworm"),
        ("maven:3.9-eclipse-temurin-17", None),
        ("php:8.2-apache", "php-apache-bookworm"),
        ("php:8.4-cli", "php-cli-trixie"),
        ("php:8.2-fpm", None),
        ("ruby:3.3-slim", "ruby-slim-trixie"),
        ("rust:1", "rust-bookworm"),
        ("busybox", "busybox-bookworm"),
        ("python:3.1", None),
        ("python:3.12", None),
        ("python:3-alpine", None),
        ("python:3@sha256:abc", None),
        ("node:16", None),
        ("ubuntu:24.04", None),
        ("alpine:3", None),
        ("quay.io/library/python:3", None),
        ("someone/python:3", None),
    ],
)
def test_a_recipe_stands_in_only_for_the_version_that_it_has(name: str, expected: str | None) -> None:
    found = choose(Reference.parse(name), "bookworm")
    assert (found.name if found else None) == expected


@pytest.mark.parametrize("suite", sorted(VERSIONS))
def test_every_image_that_is_offered_has_a_recipe(suite: str) -> None:
    assert set(SIBLINGS) == set(VERSIONS)
    assert [family for family in VERSIONS[suite] if recipe(family, "", suite) is None] == []


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("python:3.9", "of python there is python:3.11 or python:3.13 here: use that"),
        ("node:20-alpine", "Alpine's packages are not here: use node:18-slim or node:20-slim"),
        ("nginx:alpine", "Alpine's packages are not here: use nginx:1.22 or nginx:1.26"),
        ("python:3.11@sha256:abc", "a digest names one exact image, which no stand-in is: use python:3.11 or python:3.13 without it"),
        ("php:8.2-fpm", "nothing stands in for its variant fpm: use php:8.2 or php:8.4"),
        ("python:3.12-slim-bookworm", "of python there is python:3.11 or python:3.13 here"),
        ("mysql:8", "the distribution has no MySQL: use mariadb:10.11 or mariadb:11.8"),
        ("alpine:3.20", "nothing stands in for it (there are busybox, debian, "),
        ("ghcr.io/a/b:1", "nothing stands in for it"),
    ],
)
def test_a_refusal_names_what_can_be_used_instead(image: str, said: str) -> None:
    found = refusal(image, "bookworm")
    assert found.startswith(f"base image {image} cannot be had: ")
    assert said in found
    assert "`ph config set registry.mirror HOST`" in found


def test_stand_ins_are_kept_apart_by_registry() -> None:
    assert Reference.parse("python:3").stored == "bases/docker.io/library/python"
