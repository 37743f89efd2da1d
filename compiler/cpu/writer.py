"""Lines of Python with indentation, and the arguments that they turn out to need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager


class Writer:
    """Source text under construction."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.used: set[str] = set()
        self._depth = 1

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    def comment(self, text: str) -> None:
        """A comment; whatever it holds, it stays one line."""
        self.line("# " + " ".join(text.split()))

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """What is written inside is indented below ``head``."""
        self.line(head)
        self._depth += 1
        at = len(self.lines)
        yield
        if len(self.lines) == at:
            self.line("pass")
        self._depth -= 1

    def insert(self, at: int, lines: Sequence[str]) -> None:
        """Lines before line ``at``, indented as what is written now."""
        self.lines[at:at] = ["    " * self._depth + line for line in lines]

    @contextmanager
    def blocks(self, *heads: str) -> Iterator[None]:
        """One inside the other."""
        with ExitStack() as stack:
            for head in heads:
                stack.enter_context(self.block(head))
            yield

    def use(self, name: str) -> str:
        """An argument of the function: named here, so that its head will have it."""
        self.used.add(name)
        return name
