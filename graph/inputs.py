"""What a caller gives, checked: names, shapes, kinds of numbers, lengths, symbols in range.

The reference and compiled programs share these checks. What they need to know of the circuit is found once, in a
``Signature``; a call looks at arrays only. Every error is a ValueError (for a kind of number a TypeError) that names
the array, what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import TYPE_CHECKING, Any

import numpy as np

from .circuit import Circuit, is_boundary_name
from .errors import listed, unknown
from .expr import TIME_AXES, Node, topological

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

SIZE_NAMES = {"t": "T", "s": "S", "b": "B"}
LARGEST_STEP = 2**53
"""Steps are numbers too, exact up to here in float64."""
TARGETS = frozenset(("cross_entropy", "nll", "minus_onehot"))


@dataclass(frozen=True)
class Given:
    """What was given, checked: arrays of floats in one dtype, symbols int64.

    sizes     "t", "s", "b" -> T, S, B (without "s" where there is no second index)
    lengths   "t", "s" -> the lengths int64 [B]; without an axis whose sequences are all full
    """

    params: dict[str, Array]
    arrays: dict[str, Array]
    sizes: dict[str, int]
    lengths: dict[str, Array]

    def length(self, axis: str) -> Array:
        """The length of each sequence."""
        return self.lengths.get(axis, np.full(self.sizes["b"], self.sizes.get(axis, 0)))

    def count(self, axes: Sequence[str]) -> int:
        """The number of valid positions over these axes."""
        each = np.ones(self.sizes["b"], dtype=np.int64)
        for a in axes:
            each = each * (self.length(a) if a != "b" else 1)
        return int(each.sum()) if "b" in axes else int(each[0])


@dataclass(frozen=True)
class _Seen:
    """The parameters that were checked last. In training these are the same arrays call after call.

    dtype   that they were checked for;  arrays  as they were given, in their order, of these ``shapes``
    """

    dtype: Any
    arrays: tuple[Array, ...]
    shapes: tuple[tuple[int, ...], ...]
    checked: dict[str, Array]

    def are(self, params: Mapping[str, Any], dtype: Any) -> bool:
        """Whether they have come again."""
        if dtype is None or dtype != self.dtype or not isinstance(params, Mapping):
            return False
        same = len(params) == len(self.arrays) and all(map(is_, params.values(), self.arrays))
        if not same or params.keys() != self.checked.keys():
            return False
        for array, shape in zip(self.arrays, self.shapes, strict=True):  # which can be changed in place
            if array.shape != shape or array.dtype != dtype:
                return False
        return True


class Signature:
    """What a circuit takes, found once: its calls are checked against this.

    axes     of all that is computed                   used      parameters and inputs that equations read
    needed   what has to be given: those that are used, the inputs of an unfolded graph by the name of the whole
    symbols  input -> (its smallest symbol, the number of its values)
    zero     inputs named like boundary values, "h[0]", that are zero where they are not given
    whole    the network of which ``circuit`` is a part; what is a target there may be -1, no target
    """

    def __init__(self, circuit: Circuit, whole: Circuit | None = None) -> None:
        self.circuit, self.whole = circuit, whole or circuit
        order = topological(circuit.eqs.values())
        leaves = circuit.unfolding.leaves if circuit.unfolding else {}
        self.axes = frozenset(a for n in order for a in n.axes)
        self.used = frozenset(n.attr for n in order if n.op in ("param", "input"))
        self.zero = {n: node for n, node in circuit.input_nodes.items() if n in self.used and is_boundary_name(n)}
        self.needed = (self.used | {leaves[n][0] for n in self.used if n in leaves}) - self.zero.keys()
        self.symbols = _symbol_ranges(self.whole)
        self._seen = _Seen(None, (), (), {})
        # what inputs looked like that were checked last, all of full length, and their sizes
        self._forms: list[tuple[str, Any, Any]] | None = None
        self._sizes: dict[str, int] = {}
        self._zeros: dict[str, Array] = {}

    @property
    def inputs(self) -> list[str]:
        """The inputs that have to be given, in their order."""
        return [n for n in self.circuit.input_nodes if n in self.needed]

    def given(
        self,
        params: Mapping[str, Any],
        inputs: Mapping[str, Any],
        lengths: Any = None,
        start: int = 1,
        dtype: Any = None,
    ) -> Given:
        """The arguments of a call, checked.

        dtype: that which arrays of numbers must have; None: all are taken and become float64. Inputs named like
        boundary values that are not given are zero. Parameters that no equation needs may be missing.
        """
        if not _whole(start) or not 1 <= start < LARGEST_STEP:
            raise ValueError(f"start: expected the number of the first step, from 1 to 2**53, got {start!r}")
        checked = self._seen.checked if self._seen.are(params, dtype) else self._checked(params, dtype)
        forms = _forms(inputs, dtype) if lengths is None and dtype is not None else None
        if forms is not None and forms == self._forms:
            sizes, arrays, found = self._sizes.copy(), {**inputs}, dict[str, "Array"]()
        else:
            sizes, arrays, found = self._shaped(inputs, lengths, dtype)
            if not found and all(arrays[n] is a for n, a in inputs.items()):
                self._forms, self._sizes = forms, sizes.copy()
        if len(self.zero) > 0:
            self._add_zeros(arrays, sizes, dtype)
        result = Given(checked, arrays, sizes, found)
        _check_unfolding(self.circuit, result)
        if self.symbols:
            _check_symbols(self, result)
        _check_positions(self.whole, result)
        return result

    def _add_zeros(self, arrays: dict[str, Array], sizes: Mapping[str, int], dtype: Any) -> None:
        """The boundary values that are zero. For a dtype, which compiled programs have, the same arrays as for the
        last call of these sizes: they only read them."""
        for name, node in self.zero.items():
            if name in arrays:
                continue
            shape = (*[sizes[a] for a in node.axes], *node.shape)
            zeros = self._zeros.get(name)
            if dtype is None or zeros is None or zeros.shape != shape:
                whole = node.dtype == "i"
                zeros = np.full(shape, -1 if whole else 0.0, np.int64 if whole else dtype or np.float64)
            if dtype is not None:
                self._zeros[name] = zeros
            arrays[name] = zeros

    def _shaped(
        self, inputs: Mapping[str, Any], lengths: Any, dtype: Any
    ) -> tuple[dict[str, int], dict[str, Array], dict[str, Array]]:
        """Sizes, inputs and lengths, checked against each other."""
        sizes, arrays = _inputs(self, inputs, dtype)
        found = _lengths(lengths, sizes, self)
        sizes = {a: sizes[a] for a in ("t", "s", "b") if a in sizes}
        for name, array in arrays.items():
            _check_shape(self.circuit, name, array, sizes)
        return sizes, arrays, found

    def _checked(self, params: Mapping[str, Any], dtype: Any) -> dict[str, Array]:
        found = _parameters(self, params, dtype)
        if dtype is not None and all(params[n] is a for n, a in found.items()):  # not where lists became arrays
            self._seen = _Seen(dtype, tuple(params.values()), tuple(a.shape for a in params.values()), found)
        return found

    def unnamed(self, call: str, n: int) -> TypeError:
        """The error for a call with ``n`` arguments after the parameters that have no name."""
        named = ", ".join(f"{name}={name}" for name in self.inputs)
        return TypeError(
            f"{self.circuit.name}: inputs are given by name, and {n} came without one\n"
            f"  expected: {call}params{', ' if named else ''}{named})\n"
            f"  mend: lengths=, start= and all other arguments are given by name too"
        )


def _forms(inputs: Mapping[str, Any], dtype: Any) -> list[tuple[str, Any, Any]] | None:
    """What tells whether inputs need the same checks as others did: their names, shapes and numbers; None where one is
    no array."""
    forms = [("", dtype, None)]
    for name, x in inputs.items():
        if type(x) is not np.ndarray:
            return None
        forms.append((name, x.shape, x.dtype))
    return forms


def _whole(x: Any) -> bool:
    return type(x) is int or (isinstance(x, int | np.integer) and not isinstance(x, bool))


# ---- parameters ----------------------------------------------------------------------------------
def _parameters(signature: Signature, params: Mapping[str, Any], dtype: Any) -> dict[str, Array]:
    if not isinstance(params, Mapping):
        raise TypeError(f"params: expected name -> array, as net.init() gives, got {type(params).__name__}")
    circuit, checked = signature.circuit, dict[str, "Array"]()
    for name, node in circuit.param_nodes.items():
        if name not in params:
            if name in signature.used:
                raise ValueError(
                    _missing(f"the parameter {name} of {circuit.name}", f"an array of shape {node.shape}", params)
                )
            continue
        array = _numbers("parameter", name, params[name], dtype)
        if array.shape != node.shape:
            raise ValueError(f"the parameter {name}: expected the shape {node.shape}, got {array.shape}")
        checked[name] = array
    if len(checked) != len(params):
        name = next(n for n in params if n not in checked)
        raise ValueError(unknown(f"{circuit.name} has no parameter {name}", name, circuit.param_nodes))
    return checked


def _numbers(kind: str, name: str, value: Any, dtype: Any) -> Array:
    array = np.asarray(value)
    if dtype is None:
        if array.dtype.kind not in "fiub":
            raise TypeError(f"the {kind} {name}: expected numbers, got an array of {array.dtype}")
        return array.astype(np.float64)
    if array.dtype != dtype:
        raise TypeError(
            f"the {kind} {name}: expected an array of {np.dtype(dtype)}, got {array.dtype}; convert it with astype"
        )
    return array


def _missing(what: str, expected: str, known: Mapping[str, Any]) -> str:
    return f"{what} is missing: expected {expected}, got only {listed(known)}"


# ---- inputs --------------------------------------------------------------------------------------
def _inputs(
    signature: Signature, inputs: Mapping[str, Any], dtype: Any
) -> tuple[dict[str, int], dict[str, Array]]:
    """Arrays, and the sizes that they have; the first array to show a size decides it."""
    circuit = signature.circuit
    sizes: dict[str, int] = {}
    arrays: dict[str, Array] = {}
    for name in inputs:
        if name not in circuit.input_nodes:
            known = [n for n in circuit.input_nodes if not is_boundary_name(n)]
            problem = f"{circuit.name} has no input {name}"
            if name in circuit.param_nodes:
                problem += f": read without an index it is a parameter (an input is {name}[t], or inputs=(\"{name}\",))"
            raise ValueError(unknown(problem, name, known))
    for name, node in circuit.input_nodes.items():
        if name not in inputs:
            if name in signature.needed:
                raise ValueError(_missing(f"the input {name} of {circuit.name}", f"an array {form(node)}", inputs))
            continue
        value = inputs[name]
        array = _symbols(name, node, value) if node.dtype == "i" else _numbers("input", name, value, dtype)
        if array.ndim != len(node.axes) + len(node.shape):
            raise ValueError(f"the input {name}: expected an array {form(node)}, got the shape {array.shape}")
        for a, n in zip(node.axes, array.shape, strict=False):
            sizes.setdefault(a, n)
        arrays[name] = array
    return sizes, arrays


def form(node: Node) -> str:
    """The shape that is expected, in words: ``[T, B, 64]``, ``[T, B] of whole numbers``."""
    sizes = [SIZE_NAMES[a] for a in node.axes] + [str(n) for n in node.shape]
    return f"[{', '.join(sizes)}]" + (" of whole numbers" if node.dtype == "i" else "")


def _symbols(name: str, node: Node, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"the input {name}: expected symbols, an array {form(node)}, got an array of {array.dtype}")
    if array.dtype == np.uint64:  # what int64 does not hold is out of any range, and must not become negative
        array = np.minimum(array, np.uint64(np.iinfo(np.int64).max))
    return array.astype(np.int64, copy=False)


def _check_shape(circuit: Circuit, name: str, array: Array, sizes: Mapping[str, int]) -> None:
    node = circuit.input_nodes[name]
    expected = tuple(sizes[a] for a in node.axes) + node.shape
    if array.shape != expected:
        shown = ", ".join(f"{SIZE_NAMES[a]} = {sizes[a]}" for a in node.axes)
        raise ValueError(
            f"the input {name} of {circuit.name}: expected {form(node)}"
            + (f" with {shown}" if shown else "")
            + f", that is the shape {expected}, got {array.shape}"
        )
    if 0 in array.shape[: len(node.axes)]:
        raise ValueError(f"the input {name}: expected at least one step and one sequence, got the shape {array.shape}")


# ---- lengths -------------------------------------------------------------------------------------
def _lengths(lengths: Any, sizes: dict[str, int], signature: Signature) -> dict[str, Array]:
    """The lengths of each axis that has its own; completes ``sizes``."""
    circuit = signature.circuit
    if circuit.unfolding:
        for a, n in circuit.unfolding.sizes.items():
            sizes.setdefault(a, n)
    axes = signature.axes | sizes.keys()
    each = lengths if isinstance(lengths, Mapping) else {} if lengths is None else {"t": lengths}
    found: dict[str, Array] = {}
    for a, value in each.items():
        if a not in TIME_AXES or a not in (axes | {"t"}):
            raise ValueError(f"lengths: {circuit.name} has no index {a}; expected {' and '.join(sorted(axes - {'b'}))}")
        if value is not None:
            found[a] = _length(a, value, sizes)
    for a in TIME_AXES:
        if a in axes and a not in sizes:
            raise ValueError(
                f"{circuit.name}: no input tells the number of steps {SIZE_NAMES[a]}; "
                f"give it as lengths={{{a!r}: number of steps}}"
            )
    sizes.setdefault("t", 1)
    sizes.setdefault("b", 1)
    return {a: v for a, v in found.items() if not (v == sizes[a]).all() or _is_ragged(circuit)}


def _is_ragged(circuit: Circuit) -> bool:
    return circuit.unfolding is not None and circuit.unfolding.ragged


def _length(axis: str, value: Any, sizes: dict[str, int]) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise ValueError(f"lengths of {axis}: expected whole numbers, one a sequence, got {value!r}")
    if array.ndim == 1:
        sizes.setdefault("b", len(array))
    sizes.setdefault(axis, int(array.max(initial=1)))
    n, batch = sizes[axis], sizes.get("b", 1)
    if array.ndim == 1 and len(array) != batch:
        raise ValueError(f"lengths of {axis}: expected one for each of the {batch} sequences, got {len(array)}")
    wrong = np.flatnonzero((np.atleast_1d(array) < 1) | (np.atleast_1d(array) > n))
    if len(wrong):
        got = int(np.atleast_1d(array)[wrong[0]])
        raise ValueError(f"lengths of {axis}: expected 1 to {SIZE_NAMES[axis]} = {n}, got {got} in row {int(wrong[0])}")
    return np.broadcast_to(array.astype(np.int64), (batch,)).copy()


def _check_unfolding(circuit: Circuit, call: Given) -> None:
    unfolding = circuit.unfolding
    if unfolding is None:
        return
    for a, n in unfolding.sizes.items():
        if call.sizes[a] != n:
            raise ValueError(f"{circuit.name} was unfolded for {SIZE_NAMES[a]} = {n}, the inputs have {call.sizes[a]}")
    if call.lengths and not unfolding.ragged:
        raise ValueError(
            f"{circuit.name} was unfolded for sequences that are full; unfold(…, ragged=True) takes lengths"
        )


# ---- symbols -------------------------------------------------------------------------------------
def _check_positions(circuit: Circuit, call: Given) -> None:
    """What names a step of an axis names one that its sequence has."""
    for name, axis in circuit.positions.items():
        if name not in call.arrays:
            continue
        array, axes = call.arrays[name], circuit.input_nodes[name].axes
        wrong = ((array < 1) | (array > call.length(axis))) & _within(axes, call)
        if wrong.any():
            place = tuple(int(i[0]) for i in np.nonzero(wrong))
            last = int(np.broadcast_to(call.length(axis), array.shape)[place])
            raise ValueError(
                f"the input {name}: expected steps of {axis} from 1 to {last}, the length of the sequence, "
                f"got {int(array[place])} at {list(place)}"
            )


def _within(axes: Sequence[str], call: Given) -> Array:
    """Which steps of an input lie within the lengths; it broadcasts against the input."""
    sizes = [call.sizes["b"] if a == "b" else 1 for a in axes]
    found = np.ones(sizes, bool)
    for k, a in enumerate(axes):
        if a in call.lengths:
            steps = np.arange(call.sizes[a])[:, None] < call.lengths[a]
            found = found & steps.reshape([-1 if j == k else n for j, n in enumerate(sizes)])
    return found


def _symbol_ranges(circuit: Circuit) -> dict[str, tuple[int, int]]:
    """Input -> its smallest symbol and the number of its values; -1 is smallest for targets and before the start."""
    order = topological(circuit.eqs.values())
    targets = {n.args[1].attr for n in order if n.op in TARGETS and n.args[1].op == "input"}
    if circuit.unfolding:
        targets |= {circuit.unfolding.leaves[n][0] for n in targets if n in circuit.unfolding.leaves}
    return {
        name: (-1 if name in targets or is_boundary_name(name) else 0, values)
        for name, node in circuit.input_nodes.items()
        if node.dtype == "i" and (values := circuit.symbols.get(name, 0))
    }


def _all_within(array: Array, lowest: int, values: int) -> bool:
    """Whether all symbols are in range, padding too. Read without sign, numbers below 0 are the largest."""
    if array.dtype == np.int64 and array.view(np.uint64).max() < values:
        return True
    return bool(array.min() >= lowest and array.max() < values)


def _check_symbols(signature: Signature, call: Given) -> None:
    """Symbols are in range within the lengths; -1, no symbol, only as a target and before the start."""
    for name, (lowest, values) in signature.symbols.items():
        array = call.arrays.get(name)
        if array is None or _all_within(array, lowest, values):
            continue
        wrong = ((array < lowest) | (array >= values)) & _within(signature.whole.input_nodes[name].axes, call)
        if wrong.any():
            place = tuple(int(i[0]) for i in np.nonzero(wrong))
            none = " (or -1, no target)" if lowest < 0 else ""
            raise ValueError(
                f"the input {name}: expected symbols from 0 to {values - 1}{none}, "
                f"got {int(array[place])} at {list(place)}"
            )
