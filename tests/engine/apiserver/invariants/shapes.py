"""Objects that are nearly valid: valid ones with a few fields added, changed or taken away as the OpenAPI document allows, mostly."""

from copy import deepcopy
from random import Random
from typing import Any

from pilothouse.model.json import Object

TEXTS = [
    "a",
    "b",
    "c",
    "x1",
    "",
    "A b",
    "1",
    "80",
    "100m",
    "1Gi",
    "example.com/x",
    "10.0.0.1",
    "10.0.0.0/24",
    "fd00::1",
    "*",
    "é",
    "/p",
    "x" * 70,
]
NUMBERS = [0, 1, 2, 80, 420, -1, 65536, 2**31 - 1, 2**31, 2**53]
ODD: list[Any] = [None, 1, "x", [], {}, True, 1.5, [1], {"a": 1}]
FORMATS: dict[str, list[Any]] = {
    "date-time": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", "2026-01-01T01:00:00+01:00", "", "x"],
    "byte": ["", "AAEC", "x"],
    "int-or-string": [80, "http", "50%", 0, ""],
}
KNOWN: dict[str, list[Any]] = {
    "operator": ["In", "NotIn", "Exists", "DoesNotExist", "Equal"],
    "effect": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
    "protocol": ["TCP", "UDP", "SCTP"],
    "fieldPath": ["metadata.name", "spec.nodeName", "status.podIP"],
    "topologyKey": ["kubernetes.io/hostname"],
    "restartPolicy": ["Always", "OnFailure", "Never"],
    "type": ["ClusterIP", "NodePort", "Container", "Opaque", "RollingUpdate", "Recreate", "RuntimeDefault", "Normal", "Warning"],
}
OWN = {"apiVersion", "kind", "metadata", "status", "aggregationRule"}
"""Top-level fields that are left alone: a test sets them itself, or the server goes on to act on them."""


class Shapes:
    def __init__(self, document: Object) -> None:
        self._document = document
        self._definitions: Object = document["definitions"]

    def definition(self, path: str) -> Object:
        """The schema of what a collection holds."""
        parameters = self._document["paths"][path.replace("/default", "/{namespace}")]["post"]["parameters"]
        return self._resolved(next(each["schema"] for each in parameters if each["in"] == "body"))

    def type_of(self, path: str) -> Object:
        stated = self._document["paths"][path.replace("/default", "/{namespace}")]["post"]["x-kubernetes-group-version-kind"]
        return {"apiVersion": f"{stated['group']}/{stated['version']}".lstrip("/"), "kind": stated["kind"]}

    def near(self, obj: Object, path: str, random: Random) -> Object:
        """The valid object of the collection, changed in none to four places."""
        changed = deepcopy(obj)
        for _ in range(random.choice([0, 1, 1, 2, 4])):
            self._change(changed, self.definition(path), random, "", top=True)
        return changed

    def near_status(self, status: Object, path: str, random: Random) -> Object:
        """A status of the collection's objects, changed in none to two places."""
        changed = deepcopy(status)
        for _ in range(random.choice([0, 1, 2])):
            self._change(changed, self.definition(path)["properties"]["status"], random, "")
        return changed

    def _resolved(self, schema: Object) -> Object:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        return schema

    def _change(self, value: Any, schema: Object, random: Random, name: str, *, top: bool = False) -> None:
        """Go some way down and change something there."""
        schema = self._resolved(schema)
        if isinstance(value, list) and value and "items" in schema and random.random() < 0.8:
            at = random.randrange(len(value))
            if isinstance(value[at], dict | list) and random.random() < 0.8:
                self._change(value[at], schema["items"], random, name)
            elif random.random() < 0.2:
                del value[at]
            else:
                value.insert(at, self._drawn(schema["items"], random, name, 0))
        elif isinstance(value, list) and "items" in schema:
            value.append(self._drawn(schema["items"], random, name, 0))
        elif isinstance(value, dict):
            self._change_member(value, schema, random, top=top)

    def _change_member(self, value: Object, schema: Object, random: Random, *, top: bool) -> None:
        members = schema.get("properties") or {}
        names = sorted((set(members) | set(value)) - (OWN if top else set())) or ["k"]
        inside = [each for each in names if isinstance(value.get(each), dict | list)]
        name = random.choice(inside if inside and random.random() < 0.7 else names)
        below = members.get(name) or schema.get("additionalProperties") or {"type": "string"}
        if name in inside and random.random() < 0.9:
            self._change(value[name], below, random, name)
        elif name in value and random.random() < 0.2:
            del value[name]
        else:
            value[name if random.random() < 0.97 else "unknown"] = self._drawn(below, random, name, 0)

    def _drawn(self, schema: Object, random: Random, name: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if random.random() < 0.04 or depth > 6:
            return deepcopy(random.choice(ODD))
        format = schema.get("format", "")
        if format in FORMATS:
            return random.choice(FORMATS[format])
        match schema.get("type"):
            case "array":
                return [self._drawn(schema.get("items", {}), random, name, depth + 1) for _ in range(random.choice([0, 1, 2]))]
            case "integer" | "number":
                return random.choice(NUMBERS)
            case "boolean":
                return random.choice([True, False])
            case "string":
                return random.choice(KNOWN.get(name, TEXTS) if random.random() < 0.9 else TEXTS)
        return self._object(schema, random, depth)

    def _object(self, schema: Object, random: Random, depth: int) -> Object:
        members = schema.get("properties") or {}
        if not members:
            below = schema.get("additionalProperties") or {"type": "string"}
            return {random.choice(TEXTS): self._drawn(below, random, "", depth + 1) for _ in range(random.choice([0, 1, 2]))}
        taken = [each for each in members if each in schema.get("required", ()) or random.random() < min(0.6, 2 / len(members))]
        return {each: self._drawn(members[each], random, each, depth + 1) for each in taken}
