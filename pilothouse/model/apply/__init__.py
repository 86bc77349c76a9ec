"""Server-side apply: who has set which fields of an object, and how what one manager wants becomes part of what is there.

Source: sigs.k8s.io/structured-merge-diff, apimachinery/pkg/util/managedfields.
"""

from pilothouse.model.apply.errors import ApplyError, Conflicts
from pilothouse.model.apply.managers import Manager, Managers, decode, encode
from pilothouse.model.apply.ownership import Outcome, apply, tracked
from pilothouse.model.apply.shape import typed_root

__all__ = ["ApplyError", "Conflicts", "Manager", "Managers", "Outcome", "apply", "decode", "encode", "tracked", "typed_root"]
