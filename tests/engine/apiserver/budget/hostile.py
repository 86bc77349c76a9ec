"""Bodies of 100 KB that are as bad as a body can be: deep, wide, long, repeated, or no document at all.

Each is text, as it would come over a wire. Objects are called `it`; those of JSON leave their type to whoever sends them.
"""

from collections.abc import Callable, Iterator, Mapping

BYTES = 100_000


def repeated(piece: str, separator: str = ",") -> str:
    return separator.join([piece] * (BYTES // (len(piece) + len(separator))))


def numbered(piece: str, separator: str = ",") -> str:
    """piece: with a %d for the number."""
    found: list[str] = []
    size = 0
    while size < BYTES:
        found.append(piece % len(found))
        size += len(found[-1]) + len(separator)
    return separator.join(found)


def nested(opening: str, innermost: str, closing: str, depth: int) -> str:
    return opening * depth + innermost + closing * depth


def metadata(more: str) -> str:
    return f'{{"metadata":{{"name":"it",{more}}}}}'


def field(text: str, name: str = "x") -> str:
    return f'{{"metadata":{{"name":"it"}},"{name}":{text}}}'


def _manager(fields: str, operation: str = "Update") -> str:
    when = '"apiVersion":"v1","time":"2026-01-01T00:00:00Z"'
    return f'{{"manager":"m%d","operation":"{operation}",{when},"fieldsType":"FieldsV1","fieldsV1":{fields}}}'


OPEN, EMPTY, QUALIFIED = '{"a":', '""', '"a.b/c%d"'
COPY, MOVE = '{"op":"copy","from":"/x","path":"/x/-"}', '{"op":"move","from":"/x/0","path":"/x/-"}'
REMOVE, UNKNOWN = '{"op":"remove","path":"/x/0"}', '{"op":"zz","path":"/a","value":1,"x%d":1}'
NAMED, REMOVED = '{"name":"c%d"}', '{"name":"c%d","$patch":"delete"}'
QUOTED, MANY = '"it"', "[" + ",".join(["1"] * 20_000) + "]"
DEEP = nested('{"a":', "1", "}", 900)
_APPLIED = '"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"%s"}'
_OWNER = '{"apiVersion":"v1","kind":"A","name":"a","uid":"a","controller":true}'

OBJECTS: Mapping[str, Callable[[], str]] = {
    "deep unknown objects": lambda: field(DEEP),
    "deep unknown lists": lambda: field(nested("[", "", "]", 900)),
    "a deep spec": lambda: field(DEEP, "spec"),
    "many deep parts": lambda: field("{" + ",".join(f'"k{n}":{nested(OPEN, "1", "}", 150)}' for n in range(110)) + "}", "spec"),
    "deep managers": lambda: metadata('"managedFields":[' + _manager(nested('{"f:a":', "{}", "}", 900)) % 1 + "]"),
    "managers near the deepest": lambda: metadata('"managedFields":[' + _manager(nested('{"f:a":', "{}", "}", 190)) % 1 + "]"),
    "many managers": lambda: metadata('"managedFields":[' + numbered(_manager('{"f:data":{"f:a":{}}}')) + "]"),
    "many appliers": lambda: metadata('"managedFields":[' + numbered(_manager('{"f:data":{"f:a":{}}}', "Apply")) + "]"),
    "a manager of many fields": lambda: metadata('"managedFields":[' + _manager("{%s}") % (1, numbered('"f:a%d":{}')) + "]"),
    "a deep applied configuration": lambda: metadata(_APPLIED % DEEP.replace('"', '\\"')),
    "an applied configuration that is none": lambda: metadata(_APPLIED % ("{" * 900)),
    "a long name": lambda: f'{{"metadata":{{"name":"{"A" * BYTES}"}}}}',
    "a long generated name": lambda: f'{{"metadata":{{"generateName":"{"a" * BYTES}"}}}}',
    "a long unknown field": lambda: f'{{"metadata":{{"name":"it"}},"{"k" * BYTES}":1}}',
    "many unknown fields": lambda: '{"metadata":{"name":"it"},' + numbered('"u%d":1') + "}",
    "owners": lambda: metadata(f'"ownerReferences":[{repeated(_OWNER)}]'),
    "finalizers": lambda: metadata(f'"finalizers":[{numbered(QUALIFIED)}]'),
    "empty finalizers": lambda: metadata(f'"finalizers":[{repeated(EMPTY)}]'),
    "labels": lambda: metadata('"labels":{' + numbered('"l%d":"v"') + "}"),
    "labels that are none": lambda: metadata('"labels":{' + numbered('"!%d":"!"') + "}"),
    "annotations": lambda: metadata('"annotations":{' + numbered('"l%d":"v"') + "}"),
    "fields that come again": lambda: '{"metadata":{"name":"it"},' + repeated('"x":1') + "}",
    "labels that come again": lambda: metadata('"labels":{' + repeated('"x":"1"') + "}"),
    "a long number": lambda: field("9" * BYTES),
    "many long numbers": lambda: field(f"[{repeated('9' * 25)}]"),
    "large numbers": lambda: field(f"[{repeated('1e308')}]"),
    "white space": lambda: field(" " * BYTES + "1"),
    "escapes": lambda: field('"' + "\\u00e9" * (BYTES // 6) + '"'),
    "lone surrogates": lambda: field('"' + "\\ud800" * (BYTES // 6) + '"'),
    "no object": lambda: f"[{repeated('0')}]",
    "no JSON": lambda: f"[{repeated('0')}x",
    "open objects": lambda: OPEN * (BYTES // 5),
    "open lists": lambda: "[" * BYTES,
    "data": lambda: field("{" + numbered('"k%d":"v"') + "}", "data"),
    "a spec of lists": lambda: field("{" + numbered('"k%d":[{"name":"a"}]') + "}", "spec"),
}

PATCHES: Mapping[str, Callable[[], str]] = {
    "additions at the front": lambda: f"[{repeated(op('add', '/metadata/finalizers/0', QUOTED))}]",
    "tests": lambda: f"[{repeated(op('test', '/metadata/name', QUOTED))}]",
    "a long path": lambda: f"[{op('add', '/a' * (BYTES // 2), '1')}]",
    "copies of copies": lambda: f"[{op('add', '/x', '[1]')},{repeated(COPY)}]",
    "moves": lambda: f"[{op('add', '/x', MANY)},{','.join([MOVE] * 1000)}]",
    "removals at the front": lambda: f"[{op('add', '/x', MANY)},{','.join([REMOVE] * 1500)}]",
    "one value below the other": lambda: f"[{','.join(_below(8))}]",
    "unknown operations": lambda: f"[{numbered(UNKNOWN)}]",
    "removed list elements": lambda: f'{{"metadata":{{"$deleteFromPrimitiveList/finalizers":[{numbered(QUALIFIED)}]}}}}',
    "an order of elements": lambda: f'{{"spec":{{"$setElementOrder/containers":[{numbered(NAMED)}]}}}}',
    "removed containers": lambda: f'{{"spec":{{"containers":[{numbered(REMOVED)}]}}}}',
    "removed labels": lambda: '{"metadata":{"labels":{' + numbered('"l%d":null') + "}}}",
}


def _below(levels: int) -> Iterator[str]:
    """Additions that each go as deep below the one before as a body may be."""
    for level in range(levels):
        yield op("add", "/x" + "/a" * 189 * level, nested(OPEN, "{}", "}", 189))


YAML: Mapping[str, Callable[[], str]] = {
    "flow lists": lambda: f"x: [{repeated('a')}]",
    "deep lists": lambda: "x: " + nested("[", "", "]", 900),
    "deep blocks": lambda: "- " * (BYTES // 2),
    "aliases of aliases": lambda: "\n".join(_aliases(9)),
    "merges of merges": lambda: "k0: &k0 {x: 1}\n" + "\n".join(f"k{n}: &k{n} {{<<: *k{n - 1}, a{n}: 1}}" for n in range(1, 3000)),
    "fields that come again": lambda: repeated("x: 1", "\n"),
    "labels": lambda: "metadata:\n  name: it\n  labels:\n" + numbered("    l%d: v", "\n"),
    "documents": lambda: repeated("---\na: 1\n", ""),
    "comments": lambda: "#\n" * (BYTES // 2),
}


def op(name: str, path: str, value: str) -> str:
    return f'{{"op":"{name}","path":"{path}","value":{value}}}'


def _aliases(levels: int) -> Iterator[str]:
    yield "a0: &a0 [x, x, x, x, x, x, x, x, x]"
    for level in range(1, levels):
        yield f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]"


def renamed(body: str, name: str) -> str:
    """The same body about an object of another name."""
    return body if name == "it" else body.replace('"name":"it"', f'"name":"{name}"')


def typed(body: str, api_version: str, kind: str) -> bytes:
    """An object's body with its type in front, where it is an object."""
    is_object = body.startswith('{"metadata"')
    return (f'{{"apiVersion":"{api_version}","kind":"{kind}",{body[1:]}' if is_object else body).encode()
