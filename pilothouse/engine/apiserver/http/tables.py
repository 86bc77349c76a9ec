"""The two reduced forms of an object: its Table row and its metadata.

Source: apimachinery/pkg/apis/meta/v1 Table, PartialObjectMetadata; a watch names the columns in its first event only.
"""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.answer import ListResponse, Stored
from pilothouse.engine.apiserver.http.frames import list_metadata
from pilothouse.engine.apiserver.kinds.kind import CREATED_COLUMN, NAME_COLUMN
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.errors import BadRequest
from pilothouse.model.json import Object

INCLUDE = ("Metadata", "Object", "None", "")


def check_include(include: str) -> None:
    if include not in INCLUDE:
        why = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise BadRequest(f"Unable to convert to Table as requested: {why}")


def partial(record: Stored, version: str) -> Object:
    return _partial(record.peek(), version)


def _partial(value: Object, version: str) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": value["metadata"]}


def partial_list(answer: ListResponse, version: str) -> Object:
    items = [partial(record, version) for record in answer.records]
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_metadata(answer),
        "items": items,
    }


def table(
    served: ServedResource, records: list[Any], metadata: Object, version: str, include: str, now: datetime, *, columns: bool = True
) -> Object:
    found = rows(served, records, version, include, now)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": [column.to_dict() for column in served.kind.columns] if columns else None,
        # Upstream's plainest printer has no list to be empty.
        "rows": found if found or served.kind.columns != (NAME_COLUMN, CREATED_COLUMN) or served.custom else None,
    }


def rows(served: ServedResource, records: list[Any], version: str, include: str, now: datetime) -> list[Object]:
    return [row(served, record, version, include, now) for record in records]


def one_row(served: ServedResource, record: Stored, version: str, include: str, now: datetime, *, columns: bool = True) -> Object:
    version_of_object = record.value["metadata"].get("resourceVersion")
    metadata = {"resourceVersion": version_of_object} if version_of_object else {}
    return table(served, [record], metadata, version, include, now, columns=columns)


def row(served: ServedResource, record: Stored, version: str, include: str, now: datetime) -> Object:
    stored = record.peek()
    value = stored if served.kind.from_stored is None else served.kind.from_stored(stored)
    row: Object = {"cells": served.kind.cells(value, now)}
    if served.kind.row_conditions and (conditions := served.kind.row_conditions(value)):
        row["conditions"] = conditions
    row["object"] = None
    if include == "Object":
        row["object"] = served.typed(stored)
    elif include != "None":
        row["object"] = _partial(stored, version)
    return row
