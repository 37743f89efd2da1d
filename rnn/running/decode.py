"""Running a trained network on its own outputs, from the equations that it was trained with.

    found = rnn.decode(net, params, x=source, beam=4, length=20, stop=1)        # attention, seq2seq: y is written
    found[0][0].symbols, found[0][0].log_probability                            # the best of the first sequence
    rnn.decode(net, params, y=prompt, length=20, temperature=0.8)               # drawn, after a beginning
    rnn.decode(net, params, length=50).values                                   # numbers: a forecast of forecasts
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph.doors import require_circuit
from ...graph.errors import unknown
from ..data import Array, DataError
from ..tasks.measures import log_probabilities
from ..tasks.scores import Scores, scores_of
from .ahead import run_ahead
from .forcing import own_output, teacher_forced
from .given import array_of
from .prompt import Prompt
from .search import Beams, Draws, Hypothesis, Search, generators
from .steps import Rows, Running

if TYPE_CHECKING:
    from ...graph.circuit import Circuit


@dataclass(frozen=True)
class Decoded(Sequence[list[Hypothesis]]):
    """What a network wrote: ``found[b]`` are the sequences found for the b-th row, the best first.

    values  of a network of numbers, what it gave at each step, [T, B, n]; else None
    """

    hypotheses: list[list[Hypothesis]]
    values: Array | None = None

    def __getitem__(self, b: Any) -> Any:
        return self.hypotheses[b]

    def __len__(self) -> int:
        return len(self.hypotheses)

    @property
    def symbols(self) -> Array:
        """The best of each row as targets, [T, B]; −1 beyond its end."""
        best = [some[0].symbols if some else () for some in self.hypotheses]
        found = np.full((max(map(len, best), default=0), len(best)), -1, np.int64)
        for b, symbols in enumerate(best):
            found[: len(symbols), b] = symbols
        return found

    @property
    def lengths(self) -> Array:
        """How many symbols the best of each row has, [B]."""
        return np.array([len(some[0].symbols) if some else 0 for some in self.hypotheses])

    @property
    def log_probability(self) -> Array:
        """log p of the best of each row, in nats, [B]."""
        return np.array([some[0].log_probability if some else -math.inf for some in self.hypotheses])


class Decoder:
    """A network that is run free more than once: its programs are compiled once. ``decode`` is one call of it.

    feed    what gets what was chosen: an input, or a signal (the network's own output), whose earlier values are
            those of what was chosen; None: the target y where the scores read earlier ones; else, where the network
            reads its own output, nothing: it runs as it is written; else the one input over t that has as many values
            as there are scores, as of a language model
    target  "cpu", or "interpret": NumPy, without compiling

    Raises DataError where the loss compares y with nothing, or the scores read the y[t] that they are to predict;
    CircuitError for a network that cannot be computed step by step.
    """

    def __init__(
        self, net: Circuit, *, feed: str | None = None, loss: str = "L", target: str = "cpu", dtype: str = "float32"
    ) -> None:
        require_circuit(net, "rnn.decode")
        scores = scores_of(net, loss)
        if feed is not None and feed in scores.net.eqs:
            scores = scores_of(teacher_forced(net, feed, loss=loss), loss)
            feed = "y"
        node = scores.net.input_nodes.get(feed or "")
        if node is not None and "t" not in node.axes:
            over_t = [n for n, one in scores.net.input_nodes.items() if "t" in one.axes]
            problem = f"feed: expected an input over t, {' or '.join(over_t)}, or a signal that is read one step later"
            raise DataError(f"{problem}, got {feed!r}, which {net.name} reads whole")
        if "t" not in scores.net.eqs[scores.name].axes:
            problem = f"{net.name}: {scores.name} is one value for each sequence, and nothing is chosen step by step"
            raise DataError(f"{problem}; compiler.compile(net, loss=None, returns=({scores.name!r},)) gives it")
        feed = _feed(scores) if feed is None else feed
        self.running = Running(scores, feed, target, dtype)
        self.symbolic = scores.loss != "mse"
        if self.running.feed == "y" and not self.running.after:
            problem = f"{net.name}: {scores.name}[t] reads y[t], which it is to predict"
            raise DataError(f"{problem}: it cannot write by itself")
        self._check_feed()

    def _check_feed(self) -> None:
        run, scores = self.running, self.running.scores
        if run.feed and not _fits(scores, run.feed):
            got = run.net.symbols.get(run.feed, list(run.net.inputs[run.feed]))
            raise DataError(
                f"{run.net.name}: expected {run.feed} to have the {scores.size} values of {scores.name}, by which it is"
                f" chosen, got {got}"
            )

    def __call__(
        self,
        params: Mapping[str, Any],
        /,
        *,
        length: int | Sequence[int] | Array | None = None,
        beam: int = 1,
        stop: int | None = None,
        normalise: float = 0.0,
        temperature: float = 0.0,
        top_k: int = 0,
        seed: int | Sequence[int] = 0,
        never: Sequence[int] = (),
        lengths: Any = None,
        prompt_lengths: Sequence[int] | Array | None = None,
        **inputs: Any,
    ) -> Decoded:
        """Run it: see ``decode``."""
        _check(beam, normalise, temperature, top_k)
        if not self.symbolic and (beam > 1 or temperature or stop is not None or never):
            raise DataError(f"{self.running.net.name} gives numbers: there are no symbols to search, draw or stop at")
        if beam > 1 and temperature:
            raise DataError("beam and temperature: symbols are searched for, or drawn; give one of them")
        if self.symbolic:
            self._check_symbols(stop, never)
        run = self.running
        prompt = Prompt.of(run, inputs.pop(run.feed, None) if run.feed else None, prompt_lengths, beam)
        for name in inputs:
            if name not in run.net.input_nodes:
                raise DataError(unknown(f"{run.net.name} has no input {name}", name, run.net.inputs))
        wanted = None if length is None else _whole_length(length, prompt.rows)
        total = None if wanted is None else wanted + prompt.lengths
        rows = run.start(params, inputs, lengths, beam, prompt.rows, total)
        most = self._most(rows, wanted, prompt.lengths, beam)
        if not self.symbolic:
            return self._numbers(rows, prompt, most)
        search: Search = Beams(most, beam, stop, normalise)
        if temperature:
            search = Draws(most, generators(seed, len(most)), temperature, top_k, stop)
        scores, step = rows.begin(prompt.shared), len(prompt.shared)
        while True:
            if (prompt.lengths <= step).all():
                scores, ran = run_ahead(rows, search, scores, never)
                step += ran
                if search.done:
                    return Decoded(search.found())
            logs = log_probabilities(scores, run.scores.loss)
            logs[:, list(never)] = -math.inf
            parents, symbols = search.choose(logs, np.broadcast_to(prompt.lengths <= step, most.shape))
            if search.done:
                return Decoded(search.found())
            rows.keep(parents)
            scores, step = rows.step(prompt.followed(rows.as_read(symbols), step)), step + 1

    def _check_symbols(self, stop: Any, never: Sequence[int]) -> None:
        """That what stops and what is never chosen are symbols."""
        scores = self.running.scores
        if np.ndim(never) != 1:
            raise DataError(f"never: expected symbols, such as [0, 1], got {never!r}")
        for what, symbols in (("stop", () if stop is None else (stop,)), ("never", never)):
            for one in symbols:
                whole = isinstance(one, (int, np.integer)) and not isinstance(one, bool)
                if not whole or not 0 <= one < scores.size:
                    raise DataError(
                        f"{what}: expected a symbol from 0 to {scores.size - 1}, of the {scores.size} values of"
                        f" {scores.name}, got {one!r}"
                    )

    def _most(self, rows: Rows, length: Array | None, read: Array, beam: int) -> Array:
        """The most steps of each sequence after the prompt, of which it has ``read``, [B]."""
        if length is None and rows.lengths is None:
            raise DataError(f"{self.running.net.name}: no input tells how many steps there are; say length=…")
        B = rows.size // beam
        wanted = np.asarray(np.iinfo(np.int64).max) if length is None else _whole_length(length, B)
        # what an input x[t] reads first is chosen by nobody: its last step chooses the first symbol
        before = read - 1 if self.running.feed and not self.running.after else read
        told = wanted if rows.lengths is None else rows.lengths[::beam] - before
        if (told < 1).any():
            raise DataError(f"{self.running.net.name}: the {read.max()} steps given leave no step to choose")
        if length is not None and wanted.max() > told.max():
            raise DataError(
                f"{self.running.net.name}: expected a length of at most {told.max()}, the steps that its inputs leave"
                f" to choose, got {wanted.max()}{self._unread()}"
            )
        return np.broadcast_to(np.minimum(wanted, told), (B,)).astype(np.int64)

    def _unread(self) -> str:
        """Why nothing reads what is chosen, and the steps of the inputs are all there are."""
        run, scores = self.running, self.running.scores
        over_t = [n for n in run.given if run.over_time(n)]
        if run.feed or own_output(run.net, scores) is not None or not over_t:
            return ""
        if len(over_t) > 1:
            return f"; nothing reads what is chosen: say feed=…, one of {', '.join(over_t)}"
        name = over_t[0]
        has = run.net.symbols.get(name, run.net.inputs[name])
        return f"; what is chosen cannot be read as {name}: {scores.name} has {scores.size} values, {name} {has}"

    def _numbers(self, rows: Rows, prompt: Prompt, most: Array) -> Decoded:
        """What the network gives at each step, read by the next one."""
        found, first = [np.array(rows.begin(prompt.shared))], len(prompt.shared)
        own = prompt.lengths - first  # the steps at which a sequence goes on reading what it is given
        while len(found) < (own + most).max():
            found.append(np.array(rows.step(prompt.followed(found[-1], first + len(found) - 1))))
        each = np.arange(most.max())[:, None]
        values = np.stack(found)[np.minimum(each + own, len(found) - 1), np.arange(len(most))]
        values[each >= most] = 0.0
        return Decoded([[] for _ in most], values)


def decode(
    net: Circuit,
    params: Mapping[str, Any],
    /,
    *,
    length: int | Sequence[int] | Array | None = None,
    beam: int = 1,
    stop: int | None = None,
    normalise: float = 0.0,
    temperature: float = 0.0,
    top_k: int = 0,
    seed: int | Sequence[int] = 0,
    never: Sequence[int] = (),
    feed: str | None = None,
    lengths: Any = None,
    prompt_lengths: Sequence[int] | Array | None = None,
    loss: str = "L",
    target: str = "cpu",
    **inputs: Any,
) -> Decoded:
    """Run a network on its own outputs: the most probable symbols, the best of several sequences, or drawn ones.

    ::

        found = rnn.decode(net, params, x=source, beam=4, length=20, stop=1)
        found.symbols                                  # [T, B]: the best of each row, −1 beyond its end
        found[0][0].symbols, found[0][0].log_probability, found[0][1].symbols

    params       the weights by name, all of one dtype, that of the programs
    length       the most steps that are chosen, also one for each row, not more than inputs over t have; None: all
                 that these have
    beam         how many sequences of each row go on side by side; 1: at each step the most probable symbol
    stop         the symbol that ends a sequence (it is among its symbols); None: none does
    normalise    α: sequences are ranked by log p / n**α, n their number of symbols; 0: by log p itself
    temperature  above 0: drawn from softmax(log p / temperature), of the ``top_k`` most probable (0: of all)
    seed         of what is drawn, from which each row has random numbers of its own; or one for each row: a row alone
                 with its own seed gives the same
    never        symbols that are never chosen
    feed         what gets what was chosen: see ``Decoder``
    lengths      of the rows that are given, one for each: of a source, or of inputs over t; where there are both,
                 {"s": …, "t": …}
    inputs       by name; the one that is fed: what it begins with, [P, B]
    prompt_lengths  how many of these P steps each row has, [B]: each row then goes on after its own; None: all have P

    What does not depend on what is chosen is computed once; the rest one step at a time with carried state. The step
    reads the probabilities of the network, as in training. Raises DataError for wishes that make no sense, and as
    ``Decoder`` does.
    """
    kinds = {np.asarray(a).dtype for a in params.values()}
    dtype = "float64" if kinds == {np.dtype("float64")} else "float32"
    decoder = Decoder(net, feed=feed, loss=loss, target=target, dtype=dtype)
    return decoder(
        params, length=length, beam=beam, stop=stop, normalise=normalise, temperature=temperature, top_k=top_k,
        seed=seed, never=never, lengths=lengths, prompt_lengths=prompt_lengths, **inputs,
    )  # fmt: skip


def _feed(scores: Scores) -> str:
    """What gets what was chosen, where nobody says it; "": nothing."""
    from ...graph.circuit import reachable
    from ...graph.expr import topological

    net = reachable(scores.net, [scores.name])
    read = {n.attr: n for n in topological(net.eqs.values()) if n.op == "input"}
    if "y" in read:
        return "y"
    if own_output(net, scores) is not None:
        return ""
    over_t = [n for n, x in read.items() if "t" in x.axes]
    return over_t[0] if len(over_t) == 1 and _fits(scores, over_t[0]) else ""


def _fits(scores: Scores, name: str) -> bool:
    """Whether what is chosen by the scores can be given to an input."""
    node = scores.net.input_nodes[name]
    if node.dtype == "i":
        return scores.loss != "mse" and scores.net.symbols.get(name) == scores.size
    return node.shape == (scores.size,) or (scores.loss == "mse" and node.shape == scores.net.eqs[scores.name].shape)


def _whole_length(length: Any, rows: int | None) -> Array:
    """``length`` as one whole number, or one for each of ``rows`` rows, where their number is known."""
    found = array_of("length", length)
    shape = found.shape if rows is None else (rows,)
    if found.dtype.kind not in "iu" or found.ndim > 1 or found.shape not in ((), shape) or (found < 1).any():
        one = f"one for each of {rows} rows" if rows is not None else "one for each row"
        raise DataError(f"length: expected a whole number of at least 1, or {one}, got {length!r}")
    return found


def _check(beam: Any, normalise: Any, temperature: Any, top_k: Any) -> None:
    for name, value, least in (("beam", beam, 1), ("top_k", top_k, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise DataError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    for name, value in (("normalise", normalise), ("temperature", temperature)):
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not (math.isfinite(value) and value >= 0.0):
            raise DataError(f"{name}: expected a finite number of at least 0, got {value!r}")
