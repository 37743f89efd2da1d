"""What a composition cannot mean, refused where its cells show it.

Two directions are joined, a residual connection is added, and a layer's output is read by the next. That has a meaning
for a hidden output, which an output layer reads; for scores or probabilities themselves, it is another loss.
"""

from __future__ import annotations

from ...graph.errors import LanguageError, listed
from .parts import Part
from .scores import Compared
from .terms import names_in


def check_joined(part: Part) -> None:
    """Refuse two directions where the loss would not read both, or where the one from the right knows the targets."""
    cell, at = part.cell.name, part.compared
    if part.beside:
        raise LanguageError(
            f"{cell} cannot have two directions: beside {part.output} the output layer and the loss read "
            f"{listed(part.beside)}, which the layer itself reads, of one direction",
            expected=f"scores that read {part.output} alone and are not fed back",
            mend=f"let the layer read {part.output}[t-1] in place of them, or write both directions out",
        )
    if at is not None:
        raise _without_layer(
            part,
            at,
            f"{cell} cannot have two directions: {at.by.name} reads {at.what} itself, whose features are what is "
            "compared; of two directions there would be twice as many",
        )
    check_from_right(part)


def check_from_right(part: Part) -> None:
    """Refuse a layer that reads the targets: from the right it reads those that are to be predicted."""
    read_by_both = {*names_in(part.layer)} & {*names_in(part.head)}
    targets = [n for n in part.system.inputs if n in read_by_both and n != part.input and part.system.axes[n]]
    if targets:
        raise LanguageError(
            f"{part.cell.name} cannot have two directions: its layer reads the targets {listed(targets)}, and from the "
            "right it would read those that are to be predicted",
            expected="a layer that reads its input alone",
            mend="take teacher forcing for cells of one direction, such as a decoder",
        )


def check_added(part: Part) -> None:
    """Refuse a residual connection around probabilities, or one that the output layer would not read."""
    if not part.reads_output:
        raise LanguageError(
            f"{part.cell.name} cannot have a residual connection: its scores are fed back, and the layer itself reads "
            f"{part.output} for them",
            expected=f"an output layer that reads {part.output} and is not fed back",
            mend="write the connection out: r[t] = h[t] + x[t], and r[t] where the scores read h[t]",
        )
    at = part.compared
    if at is not None and at.scored and "cross_entropy" not in at.how:
        raise _without_layer(
            part,
            at,
            f"{part.cell.name} cannot have a residual connection: {at.by.name} reads {at.what} as probabilities, "
            "and what is added to them is none",
        )


def check_below(part: Part) -> None:
    """Refuse to give scores or probabilities to a layer, or a decoder, that reads features."""
    at = part.compared
    if at is not None and at.scored:
        raise _without_layer(
            part,
            at,
            f"{part.cell.name} has no hidden output to give to what is above it: {part.output} is scores or "
            "probabilities",
        )


def check_decoder(part: Part) -> None:
    """Refuse a decoder whose scores are fed back: what it reads of the step before is the target."""
    if not part.reads_output:
        raise LanguageError(
            f"{part.cell.name}: the decoder feeds its scores back, but what it reads of the step before is the target",
            expected="an output layer that nothing in the layer reads",
            mend="take a cell without that feedback; the target before is given to it",
        )


def _without_layer(part: Part, at: Compared, problem: str) -> LanguageError:
    """The error of a cell whose loss reads, ``at`` a place, what should be a hidden output."""
    return LanguageError(
        problem,
        expected="an output layer between the hidden output and the loss, o[t] = V @ h[t] + d",
        got=str(at.by),
        mend=f"add one to {part.cell.name}, or say which signal is the hidden output, output=…",
    )
