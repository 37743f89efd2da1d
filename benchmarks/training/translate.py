"""From the equations of a cell to a step for torch and JAX, as an expert would write it: for any cell, the same rules.

Input projections of all gates are one product, done for all steps at once; recurrent matrices that meet the same
vector are one product a step; what remains is pointwise. The step is written as a Python module, so that a framework
in which each step runs as Python pays for nothing but its own calls.
"""

from __future__ import annotations

import ast
import importlib.util
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass
class Gate:
    """A sum with products: its input matrix, its recurrent matrix ("" where there is none) and its biases."""

    name: str
    inputs: str = ""
    recurrent: str = ""
    biases: list[str] = field(default_factory=list)


@dataclass
class Group:
    """Recurrent products of one vector: ``operand`` is its text in the step; joined gates add their projection."""

    operand: str
    gates: list[Gate] = field(default_factory=list)


@dataclass
class Step:
    """A cell taken apart.

    states   names, h first; starts  state -> parameter of its value before the first step
    groups   in the order in which a step needs them
    vectors  parameters that the pointwise part reads
    source   the module: ``step(xp, states, P, o, e)`` -> (new states, operands of the groups)
    """

    states: list[str]
    starts: dict[str, str]
    groups: list[Group]
    vectors: list[str]
    source: str = ""

    @property
    def gates(self) -> list[Gate]:
        """All gates in the order of their columns in the packed projection."""
        return [gate for group in self.groups for gate in group.gates]

    @property
    def recurrent(self) -> set[str]:
        """The names of the matrices that meet the state."""
        return {g.recurrent for g in self.gates if g.recurrent}

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The step, imported from a file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "peer_step.py"
            path.write_text(self.source, encoding="utf-8")
            spec = importlib.util.spec_from_file_location("peer_step", path)
            if spec is None or spec.loader is None:
                raise ImportError(f"{path}: cannot be imported")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        return module.step  # type: ignore[no-any-return]

    # ---- weights by name here, and packed as peers take them ---------------------------------------
    def pack(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """Wx [I, all gates], b, Wh0, Wh1, … [H, gates of the group] and the vectors by name."""
        packed = {
            "Wx": np.concatenate([weights[g.inputs].T for g in self.gates], 1),
            "b": np.concatenate([self._bias(g, weights) for g in self.gates]),
        }
        for k, group in enumerate(self.groups):
            packed[f"Wh{k}"] = np.concatenate([weights[g.recurrent].T for g in group.gates], 1)
        packed |= {n: weights[n] for n in (*self.vectors, *self.starts.values())}
        return {n: np.ascontiguousarray(a) for n, a in packed.items()}

    @staticmethod
    def _bias(gate: Gate, weights: Mapping[str, Array]) -> Array:
        zeros = np.zeros(len(weights[gate.inputs]), weights[gate.inputs].dtype)
        return sum((weights[b] for b in gate.biases), zeros)

    def unpack(self, packed: Mapping[str, Any]) -> dict[str, Array]:
        """Gradients of packed weights by the names of the equations."""
        arrays = {n: np.asarray(a) for n, a in packed.items()}
        out = {n: arrays[n] for n in (*self.vectors, *self.starts.values())}
        units = len(arrays["b"]) // len(self.gates)
        for k, gate in enumerate(self.gates):
            columns = slice(k * units, (k + 1) * units)
            out[gate.inputs] = arrays["Wx"][:, columns].T
            out |= dict.fromkeys(gate.biases, arrays["b"][columns])
        for k, group in enumerate(self.groups):
            for n, gate in enumerate(group.gates):
                out[gate.recurrent] = arrays[f"Wh{k}"][:, n * units : (n + 1) * units].T
        return out


class _Reader:
    """Replaces sums with products by names of gates, one equation after the other."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.vectors: list[str] = []
        self.apart: set[str] = set()  # gates whose product is not added to the projection
        self._count = 0

    def expression(self, e: ast.expr) -> ast.expr:
        """The pointwise part of an expression, as Python on the names of a step."""
        if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add):
            return self._sum(e)
        if isinstance(e, ast.Subscript):
            return ast.Name(_signal(e))
        if isinstance(e, ast.Name):
            if e.id not in self.vectors:
                self.vectors.append(e.id)
            return ast.Subscript(ast.Name("P"), ast.Constant(e.id))
        if isinstance(e, ast.Call) and isinstance(e.func, ast.Name):
            return ast.Call(ast.Attribute(ast.Name("o"), e.func.id), [self.expression(a) for a in e.args], [])
        if isinstance(e, ast.BinOp) and not isinstance(e.op, ast.MatMult):
            return ast.BinOp(self.expression(e.left), e.op, self.expression(e.right))
        if isinstance(e, ast.Constant):
            return e
        raise ValueError(f"{ast.unparse(e)}: a product outside a sum with an input product is not translated for peers")

    def _sum(self, e: ast.expr) -> ast.expr:
        terms = _terms(e)
        if not any(_holds_product(t) for t in terms):
            return _added([self.expression(t) for t in terms])
        self._count += 1
        gate = Gate(f"a{self._count}")
        rest, met = [], ""
        for term in terms:
            matrix, vector = _product(term)
            if matrix and vector == "x":
                gate.inputs = matrix
            elif matrix:
                gate.recurrent, met = matrix, ast.unparse(self.expression(_operand(term)))
            elif isinstance(term, ast.Name):
                gate.biases.append(term.id)
            elif _holds_product(term):  # inside, such as r[t] * (W @ h[t-1] + d)
                value, met = self._apart(term, gate)
                rest.append(value)
            else:
                rest.append(self.expression(term))
        if not gate.inputs or not gate.recurrent:
            raise ValueError(f"{ast.unparse(e)}: peers need one input and one recurrent product in such a sum")
        self._group(met).gates.append(gate)
        return _added([ast.Name(gate.name), *rest])

    def _apart(self, term: ast.expr, gate: Gate) -> tuple[ast.expr, str]:
        """A term with a product inside: the product gets a name of its own. Also what the matrix meets."""
        found = [n for n in ast.walk(term) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult)]
        if len(found) != 1 or gate.recurrent:
            raise ValueError(f"{ast.unparse(term)}: peers need one recurrent product a gate")
        gate.recurrent = _product(found[0])[0]
        self.apart.add(gate.name)
        product = ast.Subscript(ast.Name(f"{gate.name}_product"), ast.Name("t"))
        met = ast.unparse(self.expression(_operand(found[0])))
        return self.expression(_Replaced(found[0], product).visit(term)), met

    def _group(self, operand: str) -> Group:
        for group in self.groups:
            if group.operand == operand:
                return group
        self.groups.append(Group(operand))
        return self.groups[-1]


class _Replaced(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().visit(node)


def _signal(e: ast.Subscript) -> str:
    """h[t] is ``h``, h[t-1] is ``h_1``. Raises ValueError for other lags."""
    name, index = ast.unparse(e.value), ast.unparse(e.slice)
    if index not in ("t", "t - 1"):
        raise ValueError(f"{ast.unparse(e)}: only h[t] and h[t-1] are translated for peers")
    return name if index == "t" else f"{name}_1"


def _terms(e: ast.expr) -> list[ast.expr]:
    return [*_terms(e.left), *_terms(e.right)] if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add) else [e]


def _added(terms: list[ast.expr]) -> ast.expr:
    whole = terms[0]
    for term in terms[1:]:
        whole = ast.BinOp(whole, ast.Add(), term)
    return whole


def _holds_product(e: ast.expr) -> bool:
    """A product outside the arguments of functions."""
    if isinstance(e, ast.BinOp):
        return isinstance(e.op, ast.MatMult) or _holds_product(e.left) or _holds_product(e.right)
    return False


def _product(e: ast.expr) -> tuple[str, str]:
    """The matrix and the signal of ``W @ v[…]``; ("", "") for what is no product."""
    if isinstance(e, ast.BinOp) and isinstance(e.op, ast.MatMult):
        return ast.unparse(e.left), ast.unparse(e.right).partition("[")[0]
    return "", ""


def _operand(e: ast.expr) -> ast.expr:
    if not isinstance(e, ast.BinOp):
        raise ValueError(f"{ast.unparse(e)}: expected a product")
    return e.right


def translate(text: str) -> Step:
    """The cell of these equations, one a line, for peers. Raises ValueError for what peers are not written for."""
    parsed: dict[str, ast.expr] = {}
    starts: dict[str, str] = {}
    for line in text.splitlines():
        left, _, right = line.partition("#")[0].partition("=")
        if not right.strip():
            continue
        name, _, index = left.strip().partition("[")
        if index == "0]":
            starts[name] = right.strip()
        else:
            parsed[name] = ast.parse(right.strip(), mode="eval").body
    order = _order(parsed)
    reader = _Reader()
    done = {name: reader.expression(parsed[name]) for name in order}
    delayed = {
        ast.unparse(n.value)
        for e in parsed.values()
        for n in ast.walk(e)
        if isinstance(n, ast.Subscript) and ast.unparse(n.slice) == "t - 1"
    }
    states = sorted(delayed, key=lambda n: (n != "h", n))
    step = Step(states, starts, _ready(reader.groups, order, done), reader.vectors)
    step.source = _source(step, done, reader.apart)
    return step


def _order(parsed: Mapping[str, ast.expr]) -> list[str]:
    """Equations after those whose value of the same step they read."""
    reads = {
        name: [
            ast.unparse(n.value)
            for n in ast.walk(e)
            if isinstance(n, ast.Subscript) and ast.unparse(n.slice) == "t" and ast.unparse(n.value) in parsed
        ]
        for name, e in parsed.items()
    }
    return list(TopologicalSorter(reads).static_order())


def _names(text: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}


def _ready(groups: list[Group], order: list[str], done: Mapping[str, ast.expr]) -> list[Group]:
    """Groups by the first equation after which their operand is known."""
    place = {name: k for k, name in enumerate(order)}
    return sorted(groups, key=lambda g: max((place[n] for n in _names(g.operand) if n in place), default=-1))


def _source(step: Step, done: Mapping[str, ast.expr], apart: set[str]) -> str:
    lines = ["def step(xp, states, P, o, e):", f"    {', '.join(f'{s}_1' for s in step.states)}, = states"]
    waiting = dict(enumerate(step.groups))
    first = 0
    starts = []
    for group in step.groups:
        starts.append(first)
        first += len(group.gates)
    known: set[str] = set()
    if apart:
        lines.append(f"    xs = o.columns(xp, {first})")

    def emit_ready() -> None:
        for k, group in list(waiting.items()):
            if _names(group.operand) & set(done) <= known:
                lines.extend(_group_lines(k, group, starts[k], first, apart))
                del waiting[k]

    for name, e in done.items():
        emit_ready()
        lines.append(f"    {name} = {ast.unparse(e)}")
        known.add(name)
    operands = ", ".join(f"v{k}" for k in range(len(step.groups)))
    return "\n".join([*lines, f"    return ({', '.join(step.states)},), ({operands},)", ""])


def _group_lines(k: int, group: Group, first: int, gates: int, apart: set[str]) -> list[str]:
    n = len(group.gates)
    lines = [f"    v{k} = {group.operand}"]
    names = [g.name for g in group.gates]
    if not apart & set(names):  # projection and product in one call
        xp = "xp" if n == gates else f"o.cut(xp, {first}, {n}, {gates})"
        whole = f"o.affine({xp}, v{k}, P['Wh{k}'])"
        return [*lines, f"    {', '.join(names)}, = o.columns({whole}, {n})"]
    lines.append(f"    {', '.join(f'm_{g}' for g in names)}, = o.columns(o.mm(v{k}, P['Wh{k}']), {n})")
    for i, g in enumerate(names):
        if g in apart:
            lines += [f"    {g} = xs[{first + i}]", f"    {g}_product = o.shifted(m_{g}, e, {g!r})"]
        else:
            lines.append(f"    {g} = xs[{first + i}] + m_{g}")
    return lines
