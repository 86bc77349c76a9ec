"""Calls of 100 KB that are dear in other ways than by an object in their body: patches, queries, questions, other media types.

Titles say what is long. `it` is a small object of each resource (see `small`).
"""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping

from pilothouse.client.transport import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Call
from pilothouse.model.json import dumps
from tests.csr import KEY
from tests.engine.apiserver.budget.hostile import BYTES, numbered, op, repeated

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
_REVIEWS = {name: f"{_AUTHORIZATION}/{name}reviews" for name in ("subjectaccess", "selfsubjectaccess", "selfsubjectrules")}
_TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
PROTOBUF = "application/vnd.kubernetes.protobuf"

Ways = Iterator[tuple[str, Call]]


def strategic() -> Ways:
    """Directives of strategic merge patches, thousands of each."""
    named = numbered('{"name":"c%d"}')
    texts = {
        "an order of containers": f'{{"spec":{{"$setElementOrder/containers":[{named}],"containers":[{{"name":"c","image":"j"}}]}}}}',
        "an order of finalizers": f'{{"metadata":{{"$setElementOrder/finalizers":[{numbered(_FINALIZER)}],"finalizers":["a.b/c"]}}}}',
        "removed finalizers": f'{{"metadata":{{"$deleteFromPrimitiveList/finalizers":[{numbered(_FINALIZER)}]}}}}',
        "retained keys": f'{{"spec":{{"volumes":[{{"name":"v","emptyDir":{{}},"$retainKeys":[{numbered(_QUOTED)}]}}]}}}}',
        "replaced lists": f'{{"spec":{{"containers":[{named},{{"$patch":"replace"}}]}}}}',
        "removed and added containers": f'{{"spec":{{"containers":[{numbered(_GONE)}]}}}}',
        "directives that are none": f'{{"metadata":{{{numbered(_NO_DIRECTIVE)}}}}}',
        "an order of variables": f'{{"spec":{{"containers":[{{"name":"c","$setElementOrder/env":[{named}],"env":[{{"name":"c9"}}]}}]}}}}',
    }
    for title, text in texts.items():
        yield title, Call("PATCH", f"{PODS}/it", (), text.encode(), STRATEGIC_PATCH)


_FINALIZER, _QUOTED, _GONE, _NO_DIRECTIVE = '"a.b/c%d"', '"k%d"', '{"name":"c%d","$patch":"delete"}', '"$patch%d":"delete"'


def json_patches() -> Ways:
    """Operations by the thousand."""
    long = "[" + ",".join(["1"] * 1000) + "]"
    many = {
        "tests of a long list": f"[{op('add', '/x', long)},{','.join([op('test', '/x', long)] * 45)}]",
        "tests of the whole": f"[{','.join([op('test', '', '{}')] * 2500)}]",
        "moves of the whole": f"[{','.join([_moved('/metadata/labels', '/x'), _moved('/x', '/metadata/labels')] * 900)}]",
        "moves into itself": f"[{','.join([_moved('/metadata', '/metadata/x')] * 1800)}]",
        "escapes in paths": f"[{op('test', '/' + '~1~0' * (BYTES // 5), '1')}]",
        "replaced data": f"[{','.join([op('add', '/data', '{}')] * 2400)}]",
        "labels one by one": f"[{op('add', '/metadata/labels', '{}')},{numbered(_LABEL)}]",
        "removed and added": f"[{','.join([op('add', '/data', '{}'), _REMOVED] * 1200)}]",
    }
    for title, text in many.items():
        yield title, Call("PATCH", f"{CONFIGMAPS}/it", (), text.encode(), JSON_PATCH)


_LABEL, _REMOVED = '{"op":"add","path":"/metadata/labels/l%d","value":"v"}', '{"op":"remove","path":"/data"}'


def _moved(source: str, path: str) -> str:
    return f'{{"op":"move","from":"{source}","path":"{path}"}}'


def queries() -> Ways:
    """Options in the query, with selectors among them."""
    selectors = {
        "labels that are there": numbered("k%d"),
        "labels that are not there": numbered("!k%d"),
        "other values": numbered("k%d!=v"),
        "values": f"a in ({numbered('v%d')})",
        "no values": f"a notin ({numbered('v%d')})",
        "numbers": numbered("k%d>1"),
        "the same": repeated("a"),
        "brackets": "(" * BYTES,
        "commas": "," * BYTES,
        "a long key": "k" * BYTES,
    }
    for title, text in selectors.items():
        for verb, path in (("list", CONFIGMAPS), ("list all", "/api/v1/configmaps")):
            yield f"{verb} {title}", Call("GET", path, (("labelSelector", text),))
        yield f"delete {title}", Call("DELETE", CONFIGMAPS, (("labelSelector", text), ("dryRun", "All")))
    fields = {"names": numbered("metadata.name!=n%d"), "a long name": f"metadata.name={'n' * BYTES}", "unknown": numbered("x%d=1")}
    for title, text in fields.items():
        yield f"list by {title}", Call("GET", CONFIGMAPS, (("fieldSelector", text),))
        yield f"delete by {title}", Call("DELETE", CONFIGMAPS, (("fieldSelector", text), ("dryRun", "All")))
    yield from _tokens()
    for name in ("fieldManager", "fieldValidation", "dryRun", "resourceVersion", "limit", "timeoutSeconds", "propagationPolicy"):
        for verb, method, path in (
            ("list", "GET", CONFIGMAPS),
            ("patch", "PATCH", f"{CONFIGMAPS}/it"),
            ("delete", "DELETE", f"{CONFIGMAPS}/it"),
        ):
            yield f"{verb} with a long {name}", Call(method, path, ((name, "9" * BYTES),), None if method == "GET" else b"{}", MERGE_PATCH)


def _tokens() -> Ways:
    starts: Mapping[str, object] = {
        "a long start": "x" * (BYTES * 3 // 4),
        "a deep start": [],
        "dots": "/".join([".."] * 20_000),
        "zeros": "\0" * 10_000,
    }
    for title, start in starts.items():
        token = urlsafe_b64encode(dumps({"v": "meta.k8s.io/v1", "rv": 1, "start": start})).decode().rstrip("=")
        yield f"go on from {title}", Call("GET", CONFIGMAPS, (("limit", "1"), ("continue", token)))
    yield "go on from nothing", Call("GET", CONFIGMAPS, (("limit", "1"), ("continue", "A" * BYTES)))


def questions() -> Ways:
    """Reviews, and what is asked of tokens."""
    resource = '"resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"'
    asked = {
        "groups": ("subjectaccess", f'"user":"u","groups":[{numbered(_QUOTED)}],{resource}}}'),
        "extra": ("subjectaccess", f'"user":"u","extra":{{{numbered(_EXTRA)}}},{resource}}}'),
        "a long user": ("subjectaccess", f'"user":"{"u" * BYTES}",{resource}}}'),
        "a long path": ("subjectaccess", f'"user":"u","nonResourceAttributes":{{"verb":"get","path":"/{"a/" * (BYTES // 2)}"}}'),
        "requirements": ("selfsubjectaccess", f'{resource},"fieldSelector":{{"requirements":[{numbered(_REQUIREMENT)}]}}}}'),
        "labels": ("selfsubjectaccess", f'{resource},"labelSelector":{{"requirements":[{numbered(_REQUIREMENT)}]}}}}'),
        "a raw selector": ("selfsubjectaccess", f'{resource},"fieldSelector":{{"rawSelector":"{numbered("a%d=b")}"}}}}'),
        "a long namespace": ("selfsubjectrules", f'"namespace":"{"n" * BYTES}"'),
    }
    for title, (kind, spec) in asked.items():
        yield title, Call("POST", _REVIEWS[kind], (), f'{{"spec":{{{spec}}}}}'.encode(), JSON)
    tokens = {"a token": "t" * BYTES, "dots": "." * BYTES, "a JWT": _jwt({"sub": "s" * 60_000}), "a deep JWT": _jwt_of("[" * 60_000)}
    for title, token in tokens.items():
        yield title, Call("POST", _TOKENS, (), dumps({"spec": {"token": token}}), JSON)
    yield "audiences", Call("POST", _TOKENS, (), f'{{"spec":{{"token":"t","audiences":[{numbered(_QUOTED)}]}}}}'.encode(), JSON)
    audiences = f'{{"spec":{{"audiences":[{numbered(_QUOTED)}]}}}}'
    yield "audiences of a token", Call("POST", "/api/v1/namespaces/default/serviceaccounts/it/token", (), audiences.encode(), JSON)


_EXTRA, _REQUIREMENT = '"k%d":["v"]', '{"key":"k%d","operator":"In","values":["v"]}'


def _jwt(claims: object) -> str:
    return _jwt_of(dumps(claims).decode())


def _jwt_of(claims: str) -> str:
    head = dumps({"alg": "RS256", "kid": "k"})
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (head, claims.encode(), b"x" * 256))


def deletions() -> Ways:
    """Options of a deletion in its body."""
    texts = {
        "dry runs": f'{{"dryRun":[{repeated(_ALL)}]}}',
        "fields": f"{{{numbered(_FIELD)}}}",
        "a long policy": f'{{"propagationPolicy":"{"p" * BYTES}"}}',
        "a long precondition": f'{{"preconditions":{{"uid":"{"u" * BYTES}"}}}}',
    }
    for title, text in texts.items():
        for what, path in (("one", f"{CONFIGMAPS}/it"), ("all", CONFIGMAPS)):
            yield f"delete {what} with {title}", Call("DELETE", path, (("dryRun", "All"),), text.encode(), JSON)


_ALL, _FIELD = '"All"', '"f%d":1'


def subresources() -> Ways:
    """What is written through them, with what they are about."""
    meta = f'"metadata":{{"name":"it","annotations":{{{numbered(_ANNOTATION)}}}}}'
    bound = f'{{{meta},"target":{{"kind":"Node","name":"n"}}}}'
    yield "bind", Call("POST", f"{PODS}/it/binding", (), bound.encode(), JSON)
    yield "bind by its body", Call("POST", "/api/v1/namespaces/default/bindings", (), bound.encode(), JSON)
    evicted = f'{{{meta},"deleteOptions":{{"dryRun":[{repeated(_ALL)}]}}}}'
    yield "evict", Call("POST", f"{PODS}/it/eviction", (), evicted.encode(), JSON)
    conditions = f'{{"status":{{"conditions":[{numbered(_CONDITION)}]}}}}'
    for media in (MERGE_PATCH, STRATEGIC_PATCH):
        yield f"conditions {media}", Call("PATCH", f"{PODS}/it/status", (), conditions.encode(), media)
    scaled = f'{{{meta},"spec":{{"replicas":1}}}}'
    deployment = "/apis/apps/v1/namespaces/default/deployments/it"
    yield "scale", Call("PUT", f"{deployment}/scale", (), scaled.encode(), JSON)
    typed = f'{{"apiVersion":"autoscaling/v1","kind":"Scale",{scaled[1:]}'
    yield "apply a scale", Call("PATCH", f"{deployment}/scale", (("fieldManager", "m"),), typed.encode(), APPLY_PATCH)


_ANNOTATION, _CONDITION = '"a%d":"v"', '{"type":"T%d","status":"True"}'


def yaml() -> Ways:
    """Tags and anchors."""
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: it\ndata:\n"
    texts = {
        "tags": "".join(f"  k{number}: !!str v\n" for number in range(6000)),
        "unknown tags": "".join(f"  k{number}: !x{number} v\n" for number in range(6000)),
        "python's tags": "".join(f"  k{number}: !!python/object:os.system v\n" for number in range(2500)),
        "binaries": "".join(f"  k{number}: !!binary dg==\n" for number in range(5000)),
        "anchors": "".join(f"  k{number}: &a{number} v\n" for number in range(6000)),
        "aliases": "  k: &a v\n" + "".join(f"  k{number}: *a\n" for number in range(8000)),
        "merges": "  k: &a {x: y}\n" + "".join(f"  k{number}: {{<<: *a}}\n" for number in range(5000)),
        "one merge of many": "  <<: [" + ", ".join(["{x: y}"] * 12_000) + "]\n",
        "aliases of a long one": f"  k: &a {'v' * 50_000}\n" + "".join(f"  k{number}: *a\n" for number in range(4000)),
        "folded lines": "  k: >\n" + "    v\n" * 16_000,
        "numbers": "".join(f"  k{number}: 0x{number:x}\n" for number in range(6000)),
        "long numbers": "  k: " + "1_" * (BYTES // 2) + "\n",
        "base sixty": "  k: " + "1:" * (BYTES // 2) + "1\n",
        "keys that are maps": "".join(f"  ? {{a: {number}}}\n  : v\n" for number in range(4000)),
    }
    for title, text in texts.items():
        yield f"create {title}", Call("POST", CONFIGMAPS, (), (head + text).encode(), "application/yaml")
        yield f"apply {title}", Call("PATCH", f"{CONFIGMAPS}/it", (("fieldManager", "m"),), (head + text).encode(), APPLY_PATCH)


def protobuf() -> Ways:
    """Messages of many empty parts: two bytes each."""
    for title, path, field in (("containers", PODS, 0x12), ("owners", CONFIGMAPS, 0x6A), ("volumes", PODS, 0x0A)):
        kind = "Pod" if path == PODS else "ConfigMap"
        many = bytes([field, 0]) * (BYTES // 2)
        inner = _part(0x0A, _part(0x0A, b"it")) + _part(0x12, many) if path == PODS else _part(0x0A, _part(0x0A, b"it") + many)
        yield title, Call("POST", path, (), _envelope(kind, inner), PROTOBUF)
    yield "nothing in it", Call("POST", PODS, (), b"k8s\0" + b"\x0a\0" * (BYTES // 2), PROTOBUF)
    yield "deep", Call("POST", PODS, (), _envelope("Pod", _nested(20_000)), PROTOBUF)
    yield "unknown fields", Call("POST", PODS, (), _envelope("Pod", b"\xf8\x07\x01" * (BYTES // 3)), PROTOBUF)


def _nested(levels: int) -> bytes:
    found = b""
    for _ in range(levels):
        if len(found) > BYTES:
            return found
        found = _part(0x12, found)
    return found


def _part(tag: int, content: bytes) -> bytes:
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([tag]) + bytes(length) + bytes([size]) + content


def _envelope(kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + _part(0x0A, _part(0x0A, b"v1") + _part(0x12, kind.encode())) + _part(0x12, raw)


def managers() -> Ways:
    """Managers of fields by hand, and a small change of what has them."""
    entry = '{"manager":"m%d","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{}}}}'
    body = f'{{"metadata":{{"name":"it","managedFields":[{numbered(entry)}]}},"data":{{"a":"b"}}}}'
    yield "many that apply", Call("PUT", f"{CONFIGMAPS}/it", (), body.encode(), JSON)
    yield "many that apply, as a patch", Call("PATCH", f"{CONFIGMAPS}/it", (), body.encode(), MERGE_PATCH)
    odd = f'{{"metadata":{{"name":"it","managedFields":[{repeated("{}")}]}}}}'
    yield "empty ones", Call("PUT", f"{CONFIGMAPS}/it", (), odd.encode(), JSON)
    keys = ",".join(f'"k:{{\\"name\\":\\"c{number}\\"}}":{{"f:image":{{}}}}' for number in range(2500))
    head = '"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1"'
    listed = f'{{{head},"fieldsV1":{{"f:spec":{{"f:containers":{{{keys}}}}}}}}}'
    yield "keys of a list", Call("PATCH", f"{PODS}/it", (), f'{{"metadata":{{"managedFields":[{listed}]}}}}'.encode(), MERGE_PATCH)


def certificates() -> Ways:
    """Requests for certificates with thousands of names, or that are none."""
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    for title, pem in (("names", _request(4000)), ("no PEM", b"x" * 70_000), ("begins", b"-----BEGIN CERTIFICATE REQUEST-----\n" * 2000)):
        spec = {"request": b64encode(pem).decode(), "signerName": "example.com/s", "usages": ["client auth"]}
        yield title, Call("POST", path, (), dumps({"metadata": {"name": "other"}, "spec": spec}), JSON)
    usages = {"request": "", "signerName": "example.com/s", "usages": ["client auth"] * 7000}
    yield "usages", Call("POST", path, (), dumps({"metadata": {"name": "other"}, "spec": usages}), JSON)


def _request(names: int) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    alternative = x509.SubjectAlternativeName([x509.DNSName(f"a{number}.b") for number in range(names)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(alternative, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


SHAPES = {
    made.__name__: made
    for made in (strategic, json_patches, queries, questions, deletions, subresources, yaml, protobuf, managers, certificates)
}
