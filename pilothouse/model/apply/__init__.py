"""Server-side apply: who has set which fields of an object, and how what one manager wants becomes part of what is there.

Source: sigs.k8s.io/structured-merge-diff, apimachinery/pkg/util/managedfields.
"""

from pilothouse.model.apply.errors import ApplyError, Conflicts
from pilothouse.model.apply.fields import fields_of
from pilothouse.model.apply.fieldset import FieldSet, difference, intersection, paths
from pilothouse.model.apply.fieldset import of as field_set
from pilothouse.model.apply.managers import APPLY, UPDATE, Manager, Managers, Owned, decode, encode
from pilothouse.model.apply.ownership import Outcome, apply, tracked
from pilothouse.model.apply.versions import OneVersion, Versions, at_once

__all__ = [
    "APPLY",
    "UPDATE",
    "ApplyError",
    "Conflicts",
    "FieldSet",
    "Manager",
    "Managers",
    "OneVersion",
    "Outcome",
    "Owned",
    "Versions",
    "apply",
    "at_once",
    "decode",
    "difference",
    "encode",
    "field_set",
    "fields_of",
    "intersection",
    "paths",
    "tracked",
]
