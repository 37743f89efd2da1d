"""Who takes part: each is built for a cell and a shape, and then called with no arguments, a training step a call."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from bptt import compiler

from .cells import FUSED, Array, Arrays, Shape, data, network, weights
from .translate import Step, translate

Outcome = tuple[float, Arrays]
"""A loss, and the gradients of all parameters by their names in the equations."""


@dataclass
class Task:
    """One cell at one shape: the same numbers for everybody."""

    cell: str
    text: str
    shape: Shape
    threads: int

    def __post_init__(self) -> None:
        self.net = network(self.text, self.shape, self.cell)
        self.weights = weights(self.net, self.shape.units)
        self.x, self.y = data(self.shape)
        self.step: Step = translate(self.text)


@dataclass
class Participant:
    """``run()`` is a training step, finished when it returns; ``outcome(run())`` its loss and gradients."""

    run: Callable[[], Any]
    outcome: Callable[[Any], Outcome]
    first: float = 0.0  # seconds of building it and of the first call: compilation, where there is any


Builder = Callable[[Task], Participant]


def build(builder: Builder, task: Task) -> Participant:
    """The participant after its first call; ``first`` says how long that took."""
    begin = time.perf_counter()
    made = builder(task)
    made.run()
    made.first = time.perf_counter() - begin
    return made


def builders(cell: str, threads: int) -> tuple[dict[str, Builder], list[str]]:
    """Those that can take part with this cell, ours first, and what is missing, in words."""
    found: dict[str, Builder] = {"bptt": ours}
    missing = []
    if importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(threads)
        if cell in FUSED:
            found["torch fused"] = torch_fused
        found["torch custom"] = torch_custom
    else:
        missing.append("torch is not installed: its ways are left out (pip install torch)")
    if importlib.util.find_spec("jax"):
        found |= {"jax naive": partial(jax_scan, hoist=False), "jax hoisted": partial(jax_scan, hoist=True)}
        found |= {"jax unrolled": partial(jax_scan, hoist=True, unroll=4), "jax deferred": jax_deferred}
    else:
        missing.append('jax is not installed: its ways are left out (pip install "jax<1")')
    return found, missing


def ours(task: Task, checkpoint: int | None = None, lengths: Array | None = None) -> Participant:
    """This project's program, as a user calls it."""
    program = compiler.compile(task.net, threads=task.threads, checkpoint=checkpoint)
    run = partial(program, task.weights, x=task.x, y=task.y, lengths=lengths)
    return Participant(run, lambda out: (out.loss, dict(out.grad.items())))


def reference(task: Task) -> Outcome:
    """Loss and gradients in float64: torch's where it is installed, else of this project's interpreter."""
    if importlib.util.find_spec("torch"):
        made = _torch_step(task, "float64")
        return made.outcome(made.run())
    program = compiler.compile(task.net, target="interpret", dtype="float64")
    doubles = {n: a.astype("float64") for n, a in task.weights.items()}
    out = program(doubles, x=task.x.astype("float64"), y=task.y.astype("float64"))
    return float(out.loss or 0), dict(out.grad.items())


def error(outcome: Outcome, expected: Outcome) -> float:
    """The largest ‖g − g*‖ / ‖g*‖ of all parameters and |L − L*| / |L*|; infinite where a gradient is missing."""
    (loss, found), (loss64, true) = outcome, expected
    if set(found) != set(true):
        return float("inf")
    errors = [abs(loss - loss64) / abs(loss64)]
    errors += [_norm(found[n] - g) / max(_norm(g), 1e-300) for n, g in true.items()]
    return float("inf") if any(np.isnan(errors)) else max(errors)


def _norm(a: Array) -> float:
    return float(np.linalg.norm(a))


# ---- torch -------------------------------------------------------------------------------------------
class _TorchOps:
    """What a translated step calls."""

    def __init__(self) -> None:
        import torch

        self.affine, self.mm = torch.addmm, torch.mm
        self.sigmoid, self.tanh, self.sin = torch.sigmoid, torch.tanh, torch.sin

    @staticmethod
    def columns(a: Any, n: int) -> Any:
        return a.chunk(n, 1) if n > 1 else (a,)

    @staticmethod
    def cut(a: Any, first: int, n: int, of: int) -> Any:
        units = a.shape[1] // of
        return a[:, first * units : (first + n) * units]

    @staticmethod
    def shifted(a: Any, e: Any, name: str) -> Any:
        return a


def torch_custom(task: Task) -> Participant:
    """The cell in Python: input projections as one product before the loop, packed recurrent products in it."""
    return _torch_step(task, "float32")


def _torch_step(task: Task, dtype: str) -> Participant:
    import torch

    step, o, T, B = task.step, _TorchOps(), task.shape.T, task.shape.B
    P = {n: torch.from_numpy(a.astype(dtype)).requires_grad_(True) for n, a in step.pack(task.weights).items()}
    x, y = (torch.from_numpy(a.astype(dtype)) for a in (task.x, task.y))
    one, names = step.function, list(P)

    def run() -> Any:
        xp = torch.addmm(P["b"], x.reshape(T * B, -1), P["Wx"]).view(T, B, -1)
        zeros = x.new_zeros(B, task.shape.units)
        states = tuple(P[step.starts[s]].expand_as(zeros) if s in step.starts else zeros for s in step.states)
        hs = []
        for xt in xp.unbind(0):
            states, _ = one(xt, states, P, o, None)
            hs.append(states[0])
        loss = torch.nn.functional.mse_loss(torch.stack(hs), y)
        return loss, torch.autograd.grad(loss, [P[n] for n in names])

    def outcome(result: Any) -> Outcome:
        grads = {n: g.numpy() for n, g in zip(names, result[1], strict=True)}
        return result[0].item(), step.unpack(grads)

    return Participant(run, outcome)


def torch_fused(task: Task) -> Participant:
    """torch.nn.LSTM, GRU or RNN: with the kernels of oneDNN where it has them."""
    import torch

    kind, blocks = FUSED[task.cell]
    module = getattr(torch.nn, kind)(task.shape.inputs, task.shape.units)
    zeros = np.zeros(task.shape.units, "float32")
    w = {**task.weights, "": zeros}
    stacked = [np.concatenate([w[block[k]] for block in blocks]) for k in range(4)]
    ps = [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0]
    with torch.no_grad():
        for p, a in zip(ps, stacked, strict=True):
            p.copy_(torch.from_numpy(a))
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)

    def run() -> Any:
        loss = torch.nn.functional.mse_loss(module(x)[0], y)
        return loss, torch.autograd.grad(loss, ps)

    def outcome(result: Any) -> Outcome:
        grads: Arrays = {}
        for k, g in enumerate(result[1]):
            parts = np.split(g.numpy(), len(blocks))
            grads |= {block[k]: part for block, part in zip(blocks, parts, strict=True) if block[k]}
        return result[0].item(), grads

    return Participant(run, outcome)


# ---- JAX ---------------------------------------------------------------------------------------------
class _JaxOps:
    """What a translated step calls. e: what is added to products that meet no projection, by the name of their gate."""

    def __init__(self) -> None:
        import jax
        from jax import numpy as jnp

        self.sigmoid, self.tanh, self.sin, self._split = jax.nn.sigmoid, jnp.tanh, jnp.sin, jnp.split

    @staticmethod
    def affine(xp: Any, v: Any, W: Any) -> Any:
        return xp + v @ W

    @staticmethod
    def mm(v: Any, W: Any) -> Any:
        return v @ W

    def columns(self, a: Any, n: int) -> Any:
        return self._split(a, n, 1)

    @staticmethod
    def cut(a: Any, first: int, n: int, of: int) -> Any:
        units = a.shape[1] // of
        return a[:, first * units : (first + n) * units]

    @staticmethod
    def shifted(a: Any, e: Mapping[str, Any] | None, name: str) -> Any:
        return a if e is None else a + e[name]


def _jax_start(step: Step, P: Mapping[str, Any], shape: Shape) -> tuple[Any, ...]:
    from jax import numpy as jnp

    zeros = jnp.zeros((shape.B, shape.units), jnp.float32)
    return tuple(zeros + P[step.starts[s]] if s in step.starts else zeros for s in step.states)


def _jax_participant(task: Task, gradients: Callable[..., Any]) -> Participant:
    import jax

    P = {n: jax.numpy.asarray(a) for n, a in task.step.pack(task.weights).items()}
    x, y = jax.numpy.asarray(task.x), jax.numpy.asarray(task.y)
    compiled = jax.jit(gradients)
    return Participant(
        lambda: jax.block_until_ready(compiled(P, x, y)),  # type: ignore[no-untyped-call]
        lambda result: (float(result[0]), task.step.unpack(result[1])),
    )


def jax_scan(task: Task, hoist: bool, unroll: int = 1) -> Participant:
    """``lax.scan`` and its gradient; hoisted: input projections are one product before the loop."""
    import jax
    from jax import numpy as jnp

    step, o = task.step, _JaxOps()
    one = step.function

    def loss(P: Any, x: Any, y: Any) -> Any:
        xs = x @ P["Wx"] + P["b"] if hoist else x
        start = _jax_start(step, P, task.shape)

        def body(states: Any, xt: Any) -> Any:
            states, _ = one(xt if hoist else xt @ P["Wx"] + P["b"], states, P, o, None)
            return states, states[0]

        return jnp.mean((jax.lax.scan(body, start, xs, unroll=unroll)[1] - y) ** 2)

    return _jax_participant(task, jax.value_and_grad(loss))


def jax_deferred(task: Task) -> Participant:
    """Hoisted, and gradients of recurrent matrices as one product over all steps after the loop.

    The matrices are constants inside of the scan; the gradient by what is added to a product is the gradient by the
    product, for all steps, and with what the matrix met it makes the gradient of the matrix.
    """
    import jax
    from jax import numpy as jnp

    step, o, shape = task.step, _JaxOps(), task.shape
    one, rows = step.function, shape.T * shape.B
    apart = [g.name for g in step.gates if f"{g.name}_product" in step.source]
    kept = [k for k, group in enumerate(step.groups) if group.operand != "h_1"]

    def gradients(P: Any, x: Any, y: Any) -> Any:
        big = {n: P[n] for n in P if n.startswith("Wh")}
        small = {n: P[n] for n in P if n not in big and n not in ("Wx", "b")}
        zeros = {n: jnp.zeros((shape.T, shape.B, shape.units), jnp.float32) for n in apart}

        def loss(xp: Any, e: Any, small: Any) -> Any:
            Q = {**big, **small}

            def body(states: Any, row: Any) -> Any:
                states, met = one(row[0], states, Q, o, row[1])
                return states, (states[0], [met[k] for k in kept])

            hs, met = jax.lax.scan(body, _jax_start(step, Q, shape), (xp, e))[1]
            return jnp.mean((hs - y) ** 2), (hs, met)

        value, back, (hs, met) = jax.vjp(loss, x @ P["Wx"] + P["b"], zeros, small, has_aux=True)
        dxp, de, dsmall = back(jnp.float32(1))
        before = jnp.concatenate([_jax_start(step, P, shape)[0][None], hs[:-1]])
        columns = jnp.split(dxp.reshape(rows, -1), len(step.gates), 1)
        grads = {**dsmall, "Wx": x.reshape(rows, -1).T @ dxp.reshape(rows, -1), "b": dxp.sum((0, 1))}
        first = 0
        for k, group in enumerate(step.groups):
            v = met[kept.index(k)] if k in kept else before
            whole = [
                de[g.name].reshape(rows, -1) if g.name in apart else columns[first + n]
                for n, g in enumerate(group.gates)
            ]
            grads[f"Wh{k}"] = v.reshape(rows, -1).T @ jnp.concatenate(whole, 1)
            first += len(group.gates)
        return value, grads

    return _jax_participant(task, gradients)
