"""placeholder"""

from pilothouse.engine.apiserver.answer import Bytes, Plain
from pilothouse.engine.apiserver.request import ApiRequest
from pilothouse.engine.apiserver.served import Table
from pilothouse.model.schema import Catalog


class OpenApi:
    def __init__(self, table: Table, schemas: Catalog) -> None:
        pass

    def v2(self, request: ApiRequest) -> Plain | Bytes:
        return Plain({"swagger": "2.0"})

    def v3_index(self, request: ApiRequest) -> Plain | Bytes:
        return Plain({"paths": {}})

    def v3(self, request: ApiRequest, path: str) -> Plain | Bytes:
        return Bytes(b"", "", 404)
