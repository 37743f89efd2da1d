"""Many steps of a program that reads what it chose itself, in one native run: choose, hand the state on, step.

    scores of a step -> a symbol of each row -> the input, or the state, that reads it -> the next step

A program that computes one step with carried state is called once for all steps of a block: what is copied where
between two steps is found here, a target runs it (see ``compiler/cpu/stepping``). What is chosen, and what a call after
call from Python computes, are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .memory import Array, Batch
from .output import Output
from .program import Program, Variant


@dataclass(frozen=True)
class Choice:
    """How a symbol is chosen from the scores of a step.

    scores         the signal, [T, B, n]
    probabilities  whether its values are probabilities; else softmax makes them so
    temperature    above 0: drawn from softmax(log p / temperature); 0: the most probable, of equals the first
    top_k          drawn from the k most probable, and those as probable as the k-th; 0: from all
    never          symbols that are never chosen
    stop           the symbol after which a row chooses no more; −1: none
    """

    scores: str
    probabilities: bool = False
    temperature: float = 0.0
    top_k: int = 0
    never: tuple[int, ...] = ()
    stop: int = -1


@dataclass(frozen=True)
class Block:
    """What a block of steps begins with.

    choice   how symbols are chosen
    scores   [B, n], by which the first are chosen
    left     [B], how many symbols each row still chooses
    logs     [B], log p of each row's sequence so far, where the most probable symbol is that by which this becomes
             highest; None: by its own log p (which differs where numbers are rounded to the same)
    uniform  [steps, B], in [0, 1): what symbols are drawn with
    feed     the input that gets what was chosen; "": none
    carried  whether its value before the first step does, not that of the step
    over     inputs of which each step has values of its own, [steps, …]
    """

    choice: Choice
    scores: Array
    left: Array
    logs: Array | None
    uniform: Array
    feed: str
    carried: bool
    over: Mapping[str, Array]


@dataclass(frozen=True)
class Chosen:
    """What a block of steps gave.

    symbols  [n, B], 0 for rows that had chosen all;  logs  [n, B], their log p
    steps    how many steps were run: as many, or one less where all rows have chosen all
    output   of the last step; None where none was run
    """

    symbols: Array
    logs: Array
    steps: int
    output: Output | None


@dataclass(frozen=True)
class Wiring:
    """A block in terms of the loop program.

    states  final value -> the input that is the boundary value of the next step
    scores  the value of the scores
    feed    the input that gets what was chosen; "": none
    """

    block: Block
    states: Mapping[str, str]
    scores: str
    feed: str


@runtime_checkable
class Stepped(Protocol):
    """A target that runs many steps natively."""

    def step(
        self, batch: Batch, given: Mapping[str, Array], wiring: Wiring, poison: bool
    ) -> tuple[Array, Array, int, dict[str, Array]]:
        """Symbols, their log p, the number of steps that were run, and the arrays of all values after the last."""
        ...


def run_block(
    program: Program, params: Mapping[str, Any], inputs: Mapping[str, Any], block: Block, *, lengths: Any,
    initial: Mapping[str, Any] | None, start: int,
) -> Chosen | None:  # fmt: skip
    """As many steps as ``block.uniform`` has; None for programs and targets that cannot be run so.

    Arguments are those of a call of the program for the first step, of one step. It ends sooner where all rows have
    chosen all, and before scores of which nothing can be chosen: that are not finite, or none of which is allowed.
    """
    variant = program._variant(initial)
    if not isinstance(variant.target, Stepped):
        return None
    wiring = _wiring(program, variant, block)
    if wiring is None:
        return None
    _, call, order, batch, arrays = program._prepared(params, inputs, lengths, initial, start, 0)
    written = {*wiring.states.values(), *block.over, wiring.feed} & arrays.keys()
    arrays |= {name: arrays[name].copy() for name in written}
    with program._lock:
        symbols, logs, steps, stored = variant.target.step(batch, arrays, wiring, variant.poison)
        if not steps:
            return Chosen(symbols, logs, 0, None)
        out = variant.returned.output(stored, call, order, batch)
    return Chosen(symbols, logs, steps, out)


def _wiring(program: Program, variant: Variant, block: Block) -> Wiring | None:
    """What is copied where; None where the scores are not those of rows, or something carried has no place."""
    values, results = variant.loops.values, variant.loops.results
    scores = values[results[f"value:{block.choice.scores}"]]
    needed = program._road.initial.needed
    states = {}
    for key, name in results.items():
        if key.startswith("final:"):
            state, _, lag = key.removeprefix("final:").rpartition(":")
            states[name] = needed[state].boundaries[int(lag)]
    feed = needed[block.feed].boundaries[0] if block.carried else block.feed
    places = [*states.values(), *block.over, *([feed] if feed else [])]
    known = all(name in values and values[name].role == "input" for name in places)
    if known and feed:
        known = values[feed].axes == (("b",) if block.carried else ("t", "b"))
    if scores.axes != ("t", "b") or len(scores.shape) != 1 or not known:
        return None
    return Wiring(block, states, scores.name, feed)
