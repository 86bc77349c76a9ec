"""The three patch formats of the API: each a function from a document and a patch to a new document, and a check of the patch's form."""

from pilothouse.model.patch.errors import PatchError
from pilothouse.model.patch.json_patch import MAX_OPERATIONS
from pilothouse.model.patch.json_patch import apply as json_patch
from pilothouse.model.patch.json_patch import check as check_json_patch
from pilothouse.model.patch.merge import apply as merge_patch
from pilothouse.model.patch.merge import check as check_merge_patch
from pilothouse.model.patch.strategic import apply as strategic_merge_patch
from pilothouse.model.patch.strategic import check as check_strategic_merge_patch

__all__ = [
    "MAX_OPERATIONS",
    "PatchError",
    "check_json_patch",
    "check_merge_patch",
    "check_strategic_merge_patch",
    "json_patch",
    "merge_patch",
    "strategic_merge_patch",
]
