import tomllib

from pilothouse.platform.builds.inside.registries import configuration
from pilothouse.platform.builds.inside.settings import Settings

HERE = {"REGISTRY": "127.0.0.1:5000"}


def registries(environ: dict[str, str]) -> dict[str, dict[str, object]]:
    found = tomllib.loads(configuration(Settings.of(HERE | environ)))
    return {each["prefix"]: each for each in found["registry"]}


def test_public_names_mean_stand_ins_where_no_registry_is_in_reach() -> None:
    assert registries({"STAND_INS": "yes"})["docker.io"]["location"] == "127.0.0.1:5000/bases/docker.io"


def test_a_mirror_is_asked_before_the_public_registry() -> None:
    found = registries({"MIRROR": "mirror.example.org"})["docker.io"]
    assert (found["location"], found["mirror"]) == ("docker.io", [{"location": "mirror.example.org"}])


def test_the_platforms_registry_is_spoken_to_without_tls() -> None:
    assert registries({}) == {"127.0.0.1:5000": {"prefix": "127.0.0.1:5000", "location": "127.0.0.1:5000", "insecure": True}}
