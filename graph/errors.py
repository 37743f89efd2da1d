"""What goes wrong with a network, said with its place, what was expected and the mend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the text (or in the Python file) that an equation came from; both counts start at 1."""

    line: int = 0
    column: int = 0
    source: str | None = None


NOWHERE = Position()


class LanguageError(ValueError):
    """Equations that mean nothing: a syntax error, a name in two roles, sizes that clash or stay unknown.

    Fields: ``line`` and ``column`` (from 1, or None where there is no place), ``expected``, ``got``, ``mend``
    (texts, or None) and ``problem``, the first sentence.
    """

    def __init__(
        self,
        problem: str,
        where: Position = NOWHERE,
        *,
        expected: str | None = None,
        got: str | None = None,
        mend: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.line = where.line or None
        self.column = where.column or None
        self.expected = expected
        self.got = got
        self.mend = mend
        super().__init__(problem)

    def place(self, where: Position) -> None:
        """Say where it happened, if that is not known yet."""
        if self.line is None and where.line:
            self.where, self.line, self.column = where, where.line, where.column or None

    def __str__(self) -> str:
        lines = [f"line {self.line}: {self.problem}" if self.line else self.problem]
        if self.where.source is not None:
            shown, caret = _excerpt(self.where.source, self.where.column)
            lines.append("    " + shown)
            if caret is not None:
                lines.append("    " + " " * caret + "^")
        parts = (("expected", self.expected), ("got", self.got), ("mend", self.mend))
        lines += [f"  {label}: {text}" for label, text in parts if text]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.problem, self.where, self.expected, self.got, self.mend)


def _restore(
    kind: type[LanguageError],
    problem: str,
    where: Position,
    expected: str | None,
    got: str | None,
    mend: str | None,
) -> LanguageError:
    return kind(problem, where, expected=expected, got=got, mend=mend)


class FreeSizesError(LanguageError):
    """Sizes that nothing determines. ``free``: name -> its shape, None where a size is free; (None,) where it is not
    even said that the name is a vector."""

    free: dict[str, tuple[int | None, ...]] = {}


class CircuitError(ValueError):
    """Equations that are no circuit: a cycle without a delay, a delay and an advance in one cycle, …"""


class UnknownNameError(KeyError):
    """A name that is not there; the message is shown as it stands, where KeyError would show its quotes."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def _excerpt(source: str, column: int) -> tuple[str, int | None]:
    """A readable part of a source line, and where in it the column lies."""
    indent = len(source) - len(source.lstrip())
    text = source.strip()
    at = column - 1 - indent
    lo = max(0, at - 60) if len(text) > 100 else 0
    shown = text[lo : lo + 100]
    return shown, at - lo if column and 0 <= at - lo <= len(shown) else None


@contextmanager
def errors_at(where: Position) -> Iterator[None]:
    """Errors inside that do not know their place get this one."""
    try:
        yield
    except LanguageError as error:
        error.place(where)
        raise


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """``did you mean …?`` with the nearest of the known names, or None when none is near."""
    from difflib import get_close_matches

    names = list(known)
    near = [n for n in names if n.casefold() == name.casefold()] or get_close_matches(name, names, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else None


def listed(names: Iterable[str], most: int = 24) -> str:
    """Names for a message: ``a, b, c``; of very many the first, and how many more there are; ``nothing`` of none."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more if found else "nothing"


def unknown(problem: str, name: str, known: Iterable[str], has: str = "it has") -> str:
    """The message for a name that is not there: the problem, what there is, and the nearest of it."""
    names = list(known)
    near = did_you_mean(name, names)
    return f"{problem}; {has} {listed(names)}" + (f"; {near}" if near else "")
