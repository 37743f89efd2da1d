"""Passes over all elements of many arrays, compiled: the update of an optimiser, and the norm of gradients.

Arrays are cut into blocks, which threads share. An update gives the bits that NumPy gives, in any number of threads;
a norm is the sum over blocks in their order, each summed in one order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import is_

import numpy as np

from ...compiler.cache import load_kernels
from ...compiler.cpu.native import Native
from ...compiler.cpu.threads import available, team
from ...compiler.memory import at
from .flat import Array
from .rule import Rule

BLOCK = 4096
"""Elements of a block at most."""
SHARE = 2**15
"""Elements that a thread has at least: with fewer, waking it takes longer than it saves."""
WORD = 8
VECTOR_FUNCTIONS = ("maximum", "minimum", "sign", "sqrt")


def takes(array: Array) -> bool:
    """Whether compiled passes can read and write an array: float32 or float64, in C order, writeable."""
    return array.dtype.char in "fd" and array.dtype.isnative and array.flags.carray


def same(arrays: Collection[Array], others: Collection[Array]) -> bool:
    """Whether these are the very arrays, in their order."""
    return len(arrays) == len(others) and all(map(is_, arrays, others))


@dataclass(frozen=True)
class Blocks:
    """Arrays cut into blocks: of which array each is, where it begins there, in bytes, how many elements it has."""

    owner: Array
    offset: Array
    count: Array
    threads: int

    def table(self, columns: int) -> Array:
        """A row for each block, the count of its elements first."""
        found = np.zeros((len(self.count), columns), np.int64)
        found[:, 0] = self.count
        return found

    def addresses(self, arrays: Sequence[Array]) -> Array:
        """Where each block lies, by the arrays that were cut."""
        begins: Array = np.array([at(a) for a in arrays], np.int64)[self.owner]
        begins += self.offset
        return begins


@lru_cache(16)
def blocks_of(sizes: tuple[int, ...], item: int) -> Blocks:
    """Arrays of so many elements, of ``item`` bytes each, as blocks."""
    owner = np.repeat(np.arange(len(sizes)), [-(-n // BLOCK) for n in sizes])
    begins = np.concatenate([np.arange(0, n, BLOCK) for n in sizes] or [np.zeros(0, np.int64)])
    count = np.minimum(np.array(sizes, np.int64)[owner] - begins, BLOCK)
    return Blocks(owner, begins * item, count, max(1, min(available(), sum(sizes) // SHARE)))


# ---- an update -----------------------------------------------------------------------------------
class Update:
    """A rule applied to weights of one dtype, each with its slots; all as ``takes`` has it.

    The table has a row for each block: its count, the place of the weight's own number, and where gradient, weight and
    slots of the block begin.
    """

    def __init__(self, rule: Rule, weights: Sequence[Array], slots: Sequence[Sequence[Array]]) -> None:
        dtype = weights[0].dtype
        self.rule = rule
        self.blocks = blocks_of(tuple(w.size for w in weights), dtype.itemsize)
        self.table = self.blocks.table(4 + len(rule.slots))
        self.table[:, 3] = self.blocks.addresses(weights)
        for k, _ in enumerate(rule.slots):
            self.table[:, 4 + k] = self.blocks.addresses([kept[k] for kept in slots])
        # the table has addresses: what they are of must stay
        self._kept = [*weights, *(a for kept in slots for a in kept)]
        self._given = np.zeros(len(rule.numbers) + len(weights), dtype)  # numbers, and the different own ones
        self._places = at(self.table), len(self.table), at(self._given)
        self._gradients: Sequence[Array] = ()
        self._own: Sequence[float] = ()
        self._each: list[float] = []
        self._kernel = _kernel(update_source(rule, dtype.name), "update")

    def run(self, gradients: Sequence[Array], numbers: Mapping[str, float], own: Sequence[float]) -> None:
        """Change weights and slots, in place; ``own`` has the own number of each weight."""
        if not same(gradients, self._gradients):
            self._gradients = [g if g.flags.carray else np.ascontiguousarray(g) for g in gradients]
            self.table[:, 2] = self.blocks.addresses(self._gradients)
        if own != self._own:
            each = sorted(set(own))
            places = np.array([len(self.rule.numbers) + each.index(n) for n in own], np.int64)
            self.table[:, 1] = places[self.blocks.owner]
            self._own, self._each = own, each
        given = [*(numbers.get(name, 0.0) for name in self.rule.numbers), *self._each]
        self._given[: len(given)] = given
        team().run(self._kernel, *self._places, self.blocks.threads)


def update_source(rule: Rule, dtype: str) -> str:
    """The module of a rule: its lines on vectors of elements, one block after another."""
    arrays = ("g", *rule.kept)
    called = [f for f in rule.called() if f in VECTOR_FUNCTIONS]
    lines = [f'"""The update of {rule.name} in {dtype}."""', "", f"from numpy import int64, {dtype} as number"]
    lines += ["", "from bptt.compiler.cpu.jit import entry"]
    lines += [f"from bptt.compiler.cpu.vector.functions import {', '.join(called)}"] if called else []
    lines += ["from bptt.compiler.cpu.vector.memory import load, load_first, store, store_first, view"]
    lines += [f"from bptt.compiler.cpu.vector.types import count_lanes{', where' * ('where' in rule.called())}", "", ""]
    body = ["lanes_ = count_lanes(number)", f"numbers_ = view(given_, {len(rule.numbers)}, number)"]
    body += [f"{name} = numbers_[{k}]" for k, name in enumerate(rule.numbers) if name != rule.own]
    body += ["for k_ in range(rows_ * thread_ // threads_, rows_ * (thread_ + 1) // threads_):"]
    block = [f"row_ = view(table_ + k_ * {(3 + len(rule.kept)) * WORD}, {3 + len(rule.kept)}, int64)"]
    block += ["n_ = row_[0]"]
    block += [f"{rule.own} = view(given_, row_[1] + 1, number)[row_[1]]"] if rule.own else []
    block += [f"{name}_ = view(row_[{2 + k}], n_, number)" for k, name in enumerate(arrays)]
    block += ["whole_ = n_ - n_ % lanes_", "for i_ in range(0, whole_, lanes_):"]
    block += _indented([*(f"{name} = load({name}_, i_)" for name in arrays), *rule.lines,
                        *(f"store({name}_, i_, {name})" for name in rule.kept)])  # fmt: skip
    block += ["if whole_ < n_:"]
    rest = "whole_, n_ - whole_"
    block += _indented([*(f"{name} = load_first({name}_, {rest})" for name in arrays), *rule.lines,
                        *(f"store_first({name}_, whole_, {name}, n_ - whole_)" for name in rule.kept)])  # fmt: skip
    lines += ["@entry", "def update(table_, rows_, given_, thread_, threads_, barrier_, give_way_):"]
    lines += _indented([*body, *_indented(block)])
    return "\n".join([*lines, ""])


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]


@cache
def _kernel(source: str, name: str) -> Native:
    """A kernel, compiled or from the cache: what threads run."""
    return load_kernels(source, {name: f"void({', '.join(['int64'] * 7)})"}).kernels[name]


# ---- a norm --------------------------------------------------------------------------------------
class Squares:
    """The sum of squares of all elements of arrays of one dtype, each as ``takes`` has it, in float64."""

    def __init__(self, arrays: Collection[Array]) -> None:
        self.arrays = list(arrays)
        dtype = self.arrays[0].dtype
        self.blocks = blocks_of(tuple(a.size for a in self.arrays), dtype.itemsize)
        self.table, self.sums = self.blocks.table(2), np.zeros(len(self.blocks.count))
        self.table[:, 1] = self.blocks.addresses(self.arrays)
        self._places = at(self.table), len(self.table), at(self.sums)
        self._kernel = _kernel(_NORM.format(dtype=dtype), "squares")

    def total(self) -> float:
        """Of what the arrays hold now."""
        team().run(self._kernel, *self._places, self.blocks.threads)
        return sum(self.sums.tolist())


_NORM = '''"""Sums of squares of {dtype}, of one block after another, in float64."""

from numpy import float64, int64, {dtype} as number

from bptt.compiler.cpu.jit import entry
from bptt.compiler.cpu.vector.memory import load, load_first, view
from bptt.compiler.cpu.vector.types import count_lanes, total, wide


@entry
def squares(table, rows, sums, thread, threads, barrier, give_way):
    lanes = count_lanes(number)
    for k in range(rows * thread // threads, rows * (thread + 1) // threads):
        row = view(table + k * 16, 2, int64)
        n = row[0]
        x = view(row[1], n, number)
        whole = n - n % lanes
        last = wide(load_first(x, whole, n - whole))
        found = last * last
        for i in range(0, whole, lanes):
            v = wide(load(x, i))
            found = found + v * v
        view(sums, k + 1, float64)[k] = total(found)
'''
