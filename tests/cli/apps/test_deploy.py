from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pilothouse.cli.apps.own_secret import secret_name
from pilothouse.cli.apps.prepare import left_out, prepare
from pilothouse.cli.apps.variables import pairs
from pilothouse.cli.apps.wish import Prepared, Wish, app
from pilothouse.cli.main import ph

PLACE = {"upload": {"repository": "sources/default/shop", "digest": "sha256:" + "a" * 64}}
TREE = Prepared(Path("/x"), "FROM a", "", 3000)


def spec(
    before: dict[str, Any] | None = None, place: dict[str, Any] | None = PLACE, prepared: Prepared = TREE, **asked: Any
) -> dict[str, Any]:
    current = {"spec": before} if before is not None else None
    found: dict[str, Any] = app(Wish("/x", "shop", "default", **asked), prepared, current, place)["spec"]
    return found


def test_a_port_that_nobody_set_is_left_to_the_image() -> None:
    assert spec() == {"source": PLACE}
    assert "port" not in spec({"port": 5000}, port=-1)
    assert spec(port=0)["port"] == 0


def test_what_is_asked_for_wins_over_the_dockerfile() -> None:
    found = spec(port=5000, replicas=0, hosts=("a.example.org",), cpu="500m", health="/healthz")
    assert (found["port"], found["replicas"], found["hosts"]) == (5000, 0, ["a.example.org"])
    assert (found["resources"], found["health"]) == ({"cpu": "500m"}, {"path": "/healthz"})


def test_what_is_not_asked_for_stays_as_it_is() -> None:
    before = {
        "port": 4000,
        "replicas": 3,
        "env": {"A": "1"},
        "hosts": ["x"],
        "resources": {"memory": "64Mi"},
        "build": {"args": {"V": "1"}},
    }
    found = spec(before, env={"B": "2"}, cpu="1", build_args={"W": "2"})
    assert (found["port"], found["replicas"], found["hosts"]) == (4000, 3, ["x"])
    assert found["env"] == {"A": "1", "B": "2"}
    assert found["resources"] == {"memory": "64Mi", "cpu": "1"}
    assert found["build"] == {"args": {"V": "1", "W": "2"}}


def test_a_dockerfile_that_came_to_be_replaces_the_made_one() -> None:
    assert "build" not in spec({"build": {"inline": "FROM made"}})
    made = Prepared(Path("/x"), "FROM made", "FROM made", 8080)
    assert spec({"build": {"inline": "FROM old"}}, prepared=made)["build"] == {"inline": "FROM made"}


def test_an_image_takes_the_place_of_a_source_and_the_other_way_round() -> None:
    none = Prepared(None, "", "", None)
    found = spec({"source": PLACE, "image": "", "port": 3000}, None, none, image="web:1")
    assert found["image"] == "web:1"
    assert "source" not in found
    assert "image" not in spec({"image": "web:1"})


def test_secrets_become_one_secret_of_the_app_that_is_named_once() -> None:
    first = spec(secrets={"TOKEN": "x"})
    assert first["secrets"] == [secret_name("shop")]
    assert spec({"secrets": [secret_name("shop"), "other"]}, secrets={"TOKEN": "y"})["secrets"] == ["shop-secrets", "other"]
    assert "hidden" not in repr(Wish("/x", "shop", "default", secrets={"TOKEN": "hidden"}))


def parsed(*values: str) -> dict[str, str]:
    command = click.Command("x")
    return pairs(click.Context(command), click.Option(["--env"]), values)


def test_pairs_are_split_at_the_first_equals_and_take_values_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from here")
    assert parsed("A=1=2", "B=", "TOKEN") == {"A": "1=2", "B": "", "TOKEN": "from here"}


@pytest.mark.parametrize("given", ["=x", "1A=x", "A-B=x", "NOT_SET_ANYWHERE_HERE", ""])
def test_a_pair_that_is_none_is_refused_by_name(given: str) -> None:
    with pytest.raises(click.BadParameter):
        parsed(given)


def prepared_of(tree: Path, **asked: Any) -> Prepared:
    return prepare(Wish(str(tree), "shop", "default", **asked))


def test_a_tree_with_a_dockerfile_is_built_with_it(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nEXPOSE 3000\n")
    found = prepared_of(tmp_path)
    assert (found.inline, found.port) == ("", 3000)
    (tmp_path / "other").write_text("FROM b\nEXPOSE 4000\n")
    assert prepared_of(tmp_path, dockerfile="other").port == 4000


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"dockerfile": "nosuch"}, "has no file nosuch"), ({}, "is empty: there is nothing to deploy")],
)
def test_what_cannot_be_built_is_refused_before_anything_is_sent(tmp_path: Path, asked: dict[str, str], message: str) -> None:
    with pytest.raises(click.ClickException, match=message):
        prepared_of(tmp_path, **asked)


def test_a_folder_that_does_not_exist_is_named() -> None:
    with pytest.raises(click.ClickException, match="/no/such/place is no folder"):
        prepare(Wish("/no/such/place", "shop", "default"))


def test_explain_shows_the_dockerfile_and_asks_no_cluster(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "app.py").write_text("app = Flask(__name__)\n")
    done = CliRunner().invoke(ph, ["--home", str(tmp_path / "home"), "deploy", str(tmp_path), "--name", "shop", "--explain"])
    assert done.exit_code == 0
    assert "gunicorn" in done.stdout
    assert "Flask" in done.stderr


def test_without_a_cluster_the_way_to_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    done = CliRunner().invoke(ph, ["--home", str(tmp_path / "home"), "deploy", str(tmp_path), "--name", "shop"])
    assert done.exit_code == 1
    assert f"start one with `ph --home {tmp_path}/home up`" in done.output


def test_a_file_of_secrets_is_named_until_its_variables_are_given(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / ".env").write_text("A=1\n")
    wish = Wish(str(tmp_path), "shop", "default")
    said = (f".env stays out of the image: give its variables with --env-file {tmp_path}/.env",)
    assert left_out(tmp_path, wish, None) == said
    assert left_out(tmp_path, wish, {"spec": {"image": "x"}}) == said
    assert left_out(tmp_path, Wish(str(tmp_path), "shop", "default", env={"A": "1"}), None) == ()
    assert left_out(tmp_path, wish, {"spec": {"secrets": ["shop-secrets"]}}) == ()


@pytest.mark.parametrize("dockerfile", ["../Dockerfile", "sub/../../Dockerfile", "{tmp}/Dockerfile", "link"])
def test_a_dockerfile_outside_the_source_is_refused_before_anything_is_sent(tmp_path: Path, dockerfile: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "src/sub").mkdir(parents=True)
    (tmp_path / "src/link").symlink_to("../Dockerfile")
    given = dockerfile.format(tmp=tmp_path)
    with pytest.raises(click.ClickException, match="leads out of"):
        prepare(Wish(str(tmp_path / "src"), "shop", "default", dockerfile=given))
