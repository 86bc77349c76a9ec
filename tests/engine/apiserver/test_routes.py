"""What kinds state of their subresources is what is carried out."""

from pilothouse.engine.apiserver.chain.routes import SUBRESOURCE_VERBS
from pilothouse.engine.apiserver.kinds.subresource import BY_NAME
from pilothouse.model.kinds import BUILT_IN


def test_every_verb_of_a_subresource_is_carried_out_and_no_other() -> None:
    stated = {name: set(each.verbs) for name, each in BY_NAME.items()}
    assert {name: set(verbs) for name, verbs in SUBRESOURCE_VERBS.items()} == stated


def test_no_subresource_is_served_that_no_kind_has() -> None:
    assert BY_NAME.keys() == {name for resource in BUILT_IN for name in resource.subresources}
