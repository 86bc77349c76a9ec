"""Why a patch cannot be applied."""


class PatchError(ValueError):
    """The patch is malformed or does not fit the document. The message is upstream's.

    code: the HTTP status that upstream gives this error.
    """

    def __init__(self, message: str, code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
