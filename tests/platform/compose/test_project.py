"""A compose file becomes a plan of apps."""

import contextlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.platform.compose.project import Project, project
from pilothouse.platform.compose.service import HARMLESS, TAKEN, Service
from pilothouse.platform.compose.values import ComposeError, env_file, interpolated, memory


def read(
    text: str, environ: dict[str, str] | None = None, profiles: tuple[str, ...] = (), *, files: dict[str, str] | None = None
) -> Project:
    contents = {"compose.yaml": text, **(files or {})}
    return project("compose.yaml", contents.get, environ or {}, profiles)


SHOP = """
services:
  web:
    build: {context: ./web, dockerfile: Dockerfile.prod, target: live, args: {A: 1}}
    ports: ["${PORT:-8000}:5000"]
    environment: [MODE=live, KEY, REDIS_URL=redis://redis:6379]
    env_file: web.env
    command: gunicorn -b 0.0.0.0:5000 'app:make()'
    depends_on: {redis: {condition: service_healthy}, db: {condition: service_started}}
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:5000/healthz"]}
    deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 256M}}}
  redis:
    image: redis:7
    volumes: [data:/data]
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: x, FLAG: true}
    healthcheck: {test: pg_isready}
    restart: always
volumes: {data: {}}
"""


def test_a_missing_file_of_variables_is_said_with_its_example() -> None:
    with pytest.raises(ComposeError, match=r"there is no file \.env in the compose file's folder: copy \.env\.example to it"):
        read("services: {web: {image: x, env_file: .env}}", files={".env.example": "A=1"})


def test_services_become_apps_in_the_order_in_which_they_start() -> None:
    found = read(SHOP, {"KEY": "k"}, files={"web.env": "# c\nexport A='b c'\nMODE=dev\n"})
    assert [service.name for service in found.services] == ["redis", "db", "web"]
    assert found.services[2] == Service(
        "web",
        context="web",
        dockerfile="Dockerfile.prod",
        target="live",
        build_args={"A": "1"},
        args=("gunicorn", "-b", "0.0.0.0:5000", "app:make()"),
        env={"A": "b c", "MODE": "live", "KEY": "k", "REDIS_URL": "redis://redis:6379"},
        port=5000,
        published=True,
        health="/healthz",
        after=("redis", "db"),
        healthy=("redis",),
        replicas=2,
        cpu="0.5",
        memory="256Mi",
    )
    assert (found.services[0].port, found.services[1].env["FLAG"]) == (6379, "true")


def test_what_is_not_taken_is_said_once() -> None:
    assert read(SHOP, files={"web.env": ""}).notes == (
        "healthcheck (it runs a command; an accepting port counts instead) is not taken (db)",
    )


def test_a_published_port_of_a_database_gets_no_route() -> None:
    found = read("services: {db: {image: 'postgres:15', ports: ['5432:5432']}}")
    assert (found.services[0].port, found.services[0].published) == (5432, False)
    assert found.notes == ("port 5432 to the outside (it speaks no HTTP; the other services reach it by name) is not taken (db)",)


def test_a_profile_has_to_be_chosen() -> None:
    text = "services:\n  a: {image: x}\n  b: {image: y, profiles: [debug]}\n"
    assert [service.name for service in read(text).services] == ["a"]
    assert "left out: b" in read(text).notes[0]
    assert len(read(text, profiles=("debug",)).services) == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$A ${A} ${A:-d} ${A-d} ${A:+y}", "1 1 1 1 y"),
        ("${B:-d} ${B-d} ${B:+y} ${E:-d} ${E-d}", "d d  d "),
        ("$$A $$$${A}", "$A $${A}"),
        ("${B:-${A}}", "1"),
    ],
)
def test_variables_are_filled_in(text: str, wanted: str) -> None:
    assert interpolated({"x": [text]}, {"A": "1", "E": ""}) == {"x": [wanted]}


def test_values_come_from_the_environment_before_the_env_file() -> None:
    text = "services: {a: {image: 'x:${T}'}}"
    assert read(text, files={".env": "T=1"}).services[0].image == "x:1"
    assert read(text, {"T": "2"}, files={".env": "T=1"}).services[0].image == "x:2"


def test_an_env_file_is_read_as_compose_reads_it() -> None:
    assert env_file("A=1 # c\nB=\"x\\ny\"\nC='a # b'\n#D=1\nexport E=e=f\n\nF\n") == {"A": "1", "B": "x\ny", "C": "a # b", "E": "e=f"}


@pytest.mark.parametrize(("given", "quantity"), [("128m", "128Mi"), ("1gb", "1Gi"), (1048576, "1048576"), ("64K", "64Ki")])
def test_sizes_are_powers_of_1024(given: object, quantity: str) -> None:
    assert memory(given, "x") == quantity


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: [", "compose.yaml is not valid YAML"),
        ("a", "is no mapping with services"),
        ("services: {}", "has no services"),
        ("services: {a: {}}", "the service a has neither image nor build"),
        ("services: {A_b: {image: x}}", "'A_b' cannot name an app"),
        ("services: {a: {image: x, depends_on: [b]}}", "a depends on b, which is no service"),
        ("services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}", "nothing can start first"),
        ("services: {a: {image: '${T:?set a tag}'}}", "the variable T has to be set: set a tag"),
        ("services: {a: {image: x, ports: ['http']}}", "a.ports: 'http' is no port"),
        ("services: {a: {image: x, env_file: ../x}}", "there is no file ../x"),
        ("services: {a: {build: ../b}}", "lies outside the compose file's folder"),
        ("services: {a: {image: x, extends: b}}", "extends another one"),
        ("services: {a: {image: x, mem_limit: much}}", "'much' is no size"),
        ('services: {a: {image: x, command: "echo \'x"}}', "has a quote that is not closed"),
        ("include: [x]\nservices: {a: {image: x}}", "includes other files"),
        ("services: {a: {image: x, depends_on: {b: {condition: service_completed_successfully}}}, b: {image: x}}", "waits for b to end"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ComposeError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_aliases_that_repeat_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ComposeError, match="aliases repeat too much"):
        read("\n".join([*lines, "services: {a: {image: x}}"]))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "limits", "target"]), inner)
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(TAKEN | HARMLESS | {"extends", "volumes"})), VALUES, max_size=4))
def test_whatever_stands_in_a_service_is_read_or_refused_in_a_sentence(keys: dict[str, object]) -> None:
    with contextlib.suppress(ComposeError):
        assert read(json.dumps({"services": {"web": {"image": "x", **keys}}}), profiles=("*",)).services


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: {web: {image: x, deploy: {replicas: many}}}", "web.scale is no whole number: 'many'"),
        ("services: {web: {image: x, deploy: {resources: 5}}}", "web.deploy.resources is no mapping: 5"),
        ("services: {web: {image: x, depends_on: {db: 5}}, db: {image: y}}", "web.depends_on.db is no mapping: 5"),
        ("services: {web: {image: x, ports: 80}}", "web.ports is no list: 80"),
        ("services: {web: {image: x, depends_on: ['']}}", "web depends on '', which is no service"),
        ("services: {web: {image: x, ports: [{target: http}]}}", "web.ports: target is no whole number: 'http'"),
        ("services: {web: &web {image: x, build: *web}}", "an alias may stand in its own value"),
        ("services: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_value_of_another_kind_is_named(text: str, message: str) -> None:
    with pytest.raises(ComposeError, match=re.escape(message)):
        read(text)
