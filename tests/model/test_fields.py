"""Files of configuration are read strictly, and what is wrong with one is said with its place."""

from collections.abc import Callable

import pytest

from pilothouse.model.fields import FieldError, Fields, document


def test_values_are_found_at_their_places() -> None:
    root = document(b"a: {num: 3, t: x, f: true}\nl: [{t: z}, {}]\nw: [p, q]\n", 1 << 20)
    root.allow(("a", "l", "w"))
    inner = root.fields("a")
    assert (inner.number("num", 0, 5, otherwise=1), inner.text("t"), inner.flag("f", otherwise=False)) == (3, "x", True)
    assert (inner.number("m", 0, 5, otherwise=1), inner.text("m", otherwise="z"), inner.has("m")) == (1, "z", False)
    assert [(each.path, each.text("t")) for each in root.each("l")] == [("l[0]", "z"), ("l[1]", "")]
    assert (root.texts("w"), root.fields("none").values, root.list("none")) == (["p", "q"], {}, [])


@pytest.mark.parametrize(
    ("text", "read", "said"),
    [
        ("- a", lambda root: root, "the file has to be a mapping of fields"),
        ("a: [", lambda root: root, "it is no YAML: yaml: line "),
        ("a: 1\na: 2", lambda root: root, 'line 2: key "a" already set in map'),
        ("a: {naam: 1}", lambda root: root.fields("a").allow(("name",)), "there is no field a.naam: did you mean name?"),
        ("a: {x: 1}", lambda root: root.fields("a").allow(("name", "kind")), "there is no field a.x: there are name, kind"),
        ("a: [{b: 1}]", lambda root: root.each("a")[0].text("b"), "a[0].b: 1 has to be a text; put it between quotes"),
        ("a: x", lambda root: root.flag("a", otherwise=False), "a is true or false, not 'x'"),
        ("a: 101", lambda root: root.number("a", 0, 100, otherwise=0), "a is a whole number from 0 to 100, not 101"),
        ("a: true", lambda root: root.number("a", 0, 100, otherwise=0), "a is a whole number from 0 to 100, not True"),
        ("a: x", lambda root: root.list("a"), "a has to be a list"),
        ("a: [1]", lambda root: root.texts("a"), "a: 1 has to be a text; put it between quotes"),
        ("a: x", lambda root: root.fields("a"), "a has to be a mapping of fields"),
        ("a: x", lambda root: root.choice("a", ("y", "z")), "a cannot be 'x': it is one of y, z"),
        ("{}", lambda root: root.choice("a", ("y", "z")), "a is missing: it is one of y, z"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, read: Callable[[Fields], object], said: str) -> None:
    with pytest.raises(FieldError) as failure:
        read(document(text.encode(), 1 << 20))
    assert str(failure.value).startswith(said)


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(FieldError, match="it is larger than 1 MiB"):
        document(b" " * ((1 << 20) + 1), 1 << 20)
