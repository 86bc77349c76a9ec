"""Schemas: of the built-in kinds (`Catalog`) and of custom resources (`from_crd`)."""

from pilothouse.model.schema.catalog import Catalog
from pilothouse.model.schema.crd import from_crd
from pilothouse.model.schema.decode import Decoded
from pilothouse.model.schema.node import GroupVersionKind, Node, Patch
from pilothouse.model.schema.scalars import DecodeError
from pilothouse.model.schema.schema import CustomSchema, Schema

__all__ = ["Catalog", "CustomSchema", "DecodeError", "Decoded", "GroupVersionKind", "Node", "Patch", "Schema", "from_crd"]
