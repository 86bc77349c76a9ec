"""Request bodies in Kubernetes' protobuf form, as kubectl sends them for the kinds it was compiled with."""

from pilothouse.engine.apiserver.protobuf.decode import BadMessage, to_json

__all__ = ["BadMessage", "to_json"]
