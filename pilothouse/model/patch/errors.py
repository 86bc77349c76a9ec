"""Why a patch cannot be applied."""


class PatchError(ValueError):
    """The patch does not fit the document. The message is upstream's; the API server decides on the HTTP status.

    operation: index of the failing operation of a JSON Patch, -1 where there is none.
    """

    def __init__(self, message: str, operation: int = -1) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
