import base64

from pilothouse.cli.apps.env import HIDDEN, Edit, edited, merged
from pilothouse.model.json import Object

APP: Object = {"metadata": {"name": "shop"}, "spec": {"env": {"MODE": "live"}, "secrets": ["shop-secrets"]}}
SECRET = {"data": {"KEY": base64.b64encode(b"s3cret").decode(), "MODE": "eA=="}}


def test_variables_are_listed_as_containers_see_them_and_secrets_are_hidden() -> None:
    listed = merged(APP, {"shop-secrets": SECRET, "gone": None}, show_secrets=False)
    assert listed == [["KEY", HIDDEN, "secret shop-secrets"], ["MODE", "live", "app"]]
    assert merged(APP, {"shop-secrets": SECRET}, show_secrets=True)[0][1] == "s3cret"


def test_a_variable_is_set_and_unset() -> None:
    assert edited(APP, Edit(env={"A": "1"}))["spec"]["env"] == {"MODE": "live", "A": "1"}
    assert edited(APP, Edit(unset=("MODE",)))["spec"]["env"] == {}


def test_a_variable_that_becomes_a_secret_leaves_the_spec() -> None:
    plain: Object = {"metadata": {"name": "blog"}, "spec": {"env": {"KEY": "1"}}}
    assert edited(plain, Edit(secrets={"KEY": "2"}))["spec"] == {"env": {}, "secrets": ["blog-secrets"]}
    assert "'2'" not in repr(Edit(secrets={"KEY": "2"}))
