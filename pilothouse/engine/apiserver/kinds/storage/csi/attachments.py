"""VolumeAttachments: that a volume is to be attached to a node, and whether it is.

Source: pkg/apis/storage/validation, pkg/registry/storage/volumeattachment.
"""

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import csi as printer
from pilothouse.engine.apiserver.kinds.storage.csi.names import driver_name
from pilothouse.engine.apiserver.kinds.storage.volumes import default_spec, validate_inline_spec
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same

_METADATA_MAX_BYTES = 256 * 1024
_MESSAGE_MAX_BYTES = 1024
_ERROR_CODE_MAX = 2**31 - 1
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def _default(obj: Object) -> None:
    inline = ((obj.get("spec") or {}).get("source") or {}).get("inlineVolumeSpec")
    if inline is not None:
        default_spec(inline)


def _validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = _common(obj) + driver_name(spec.get("attacher") or "", "spec.attacher")
    volume = (spec.get("source") or {}).get("persistentVolumeName")
    if volume is not None:
        causes += field.each_invalid("spec.source.persistentVolumeName", volume, names.dns1123_subdomain(volume))
    return causes


def _common(obj: Object) -> list[Cause]:
    """What holds for updates, too."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    causes = metadata.validate(obj, names.dns1123_subdomain, namespaced=False)
    if not spec.get("attacher"):
        causes.append(field.required("spec.attacher"))
    causes += _source(spec.get("source") or {})
    node = spec.get("nodeName") or ""
    causes += field.each_invalid("spec.nodeName", node, names.dns1123_subdomain(node))
    if (
        sum(len(key.encode()) + len(value.encode()) for key, value in (status.get("attachmentMetadata") or {}).items())
        > _METADATA_MAX_BYTES
    ):
        causes.append(field.too_long("status.attachmentMetadata", _METADATA_MAX_BYTES))
    for name in ("attachError", "detachError"):
        causes += _error(status.get(name) or {}, f"status.{name}")
    return causes


def _source(source: Object) -> list[Cause]:
    path = "spec.source"
    volume, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if volume is None and inline is None:
        return [field.required(path, _ONE_SOURCE)]
    if volume is not None and inline is not None:
        return [field.forbidden(path, _ONE_SOURCE)]
    if inline is not None:
        return validate_inline_spec(inline, f"{path}.inlineVolumeSpec")
    return [] if volume else [field.required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName")]


def _error(error: Object, path: str) -> list[Cause]:
    causes = []
    if len((error.get("message") or "").encode()) > _MESSAGE_MAX_BYTES:
        # Upstream names the limit of the metadata here.
        causes.append(field.too_long(f"{path}.message", _METADATA_MAX_BYTES))
    code = error.get("errorCode")
    if code is not None and code < 0:
        causes.append(field.invalid(f"{path}.errorCode", code, names.out_of_range(0, _ERROR_CODE_MAX)))
    return causes


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_common_update(obj, old) + _common(obj)
    return causes if same(obj.get("spec"), old.get("spec")) else [*causes, field.invalid("spec", obj.get("spec"), field.IMMUTABLE)]


VOLUMEATTACHMENT = Kind(
    kinds.VOLUMEATTACHMENTS,
    "io.k8s.api.storage.v1.VolumeAttachment",
    default=_default,
    prepare_create=strategy.create(status={"attached": False}, generation=False),
    prepare_update=strategy.update(frozen_in_status=("labels", "annotations", "finalizers", "ownerReferences")),
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_update,
    columns=printer.ATTACHMENT_COLUMNS,
    cells=printer.attachment_cells,
    unconditional_update=False,
    returns_object_on_delete=True,
)
