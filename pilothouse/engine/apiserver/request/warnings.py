"""The warnings of one answer: each once, 4 KiB in all.

Once they are more than that, each is cut to 256 characters and what still does not fit is dropped.
Source: apiserver/pkg/endpoints/filters/warning.go.
"""

from collections.abc import Iterator

_MOST_CHARACTERS = 4096
_CUT_TO = 256


class Warnings:
    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._size = 0
        self._is_cut = False

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def is_full(self) -> bool:
        """Whether nothing more would be taken."""
        return self._is_cut and self._size >= _MOST_CHARACTERS - _CUT_TO

    def add(self, text: str) -> None:
        if self.is_full or text in self._texts:
            return
        if not self._is_cut and self._size + len(text) > _MOST_CHARACTERS:
            self._cut()
        text = text[:_CUT_TO] if self._is_cut else text
        self._texts[text] = None
        self._size = sum(map(len, self._texts))

    def _cut(self) -> None:
        self._is_cut = True
        self._texts = dict.fromkeys(text[:_CUT_TO] for text in self._texts)
        while sum(map(len, self._texts)) > _MOST_CHARACTERS - _CUT_TO:
            self._texts.popitem()
