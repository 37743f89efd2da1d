"""What a system is beside its twin in torch: a case, one sequence as torch sees it, and torch's recurrent modules.

A twin is written from the paper, in torch's own modules where there are such, and is never given more than one
sequence, without padding: what a batch of several lengths gives has to be what each sequence gives alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

torch = pytest.importorskip("torch")

Tensor = Any
Weights = Mapping[str, Tensor]
Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class One:
    """One sequence, alone.

    inputs  input -> [n, *shape], its n steps; without a time [*shape]
    start   state -> [k, *shape], the k steps before the first, the oldest first; empty: the system's own start
    t       the number of the first step
    masks   signal -> [n, *shape]: what dropout multiplies by, or 1 where zoneout keeps the old value
    """

    inputs: Mapping[str, Tensor]
    start: Mapping[str, Tensor] = field(default_factory=dict)
    t: int = 1
    masks: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return self.inputs[name]

    def before(self, name: str, *own: Tensor) -> Any:
        """A state before the first step (of several lags the newest first): as given, else its own."""
        found = self.start[name].flip(0) if self.start else own
        return found[0] if len(own) == 1 else tuple(found[: len(own)])

    def late(self, name: str, lag: int, own: float = 0) -> Tensor:
        """An input some steps late, [n, *shape]."""
        x = self.inputs[name]
        past = self.start[name][-lag:] if self.start else torch.full((lag, *x.shape[1:]), own, dtype=x.dtype)
        return torch.cat([past, x])[: len(x)]

    def mask(self, name: str, otherwise: float = 1.0) -> Tensor:
        """The mask in training, else its mean."""
        return self.masks.get(name, torch.tensor(otherwise, dtype=torch.float64))


def mean_of_sequences(losses: Sequence[Tensor]) -> Tensor:
    """One loss a sequence, each counts the same."""
    return torch.stack(list(losses)).mean()


@dataclass(frozen=True)
class Case:
    """A system of the table and its twin.

    twin      (weights, sequence) -> its signals by our names, and its loss "L"; of a system whose sequences are
              ``coupled``, (weights, sequences) -> those of each
    sizes     where others than those of the table are wanted
    more      what the table leaves open: definitions of functions, a loss
    loss      the loss of a batch from those of its sequences
    can_start whether it can be given another start: not where it reads the future
    masks     (weights, inputs, values of all ``reads``, lengths) -> the masks of a training step, read off its values
    """

    twin: Callable[..., Any]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    more: str = ""
    loss: Callable[[Sequence[Tensor]], Tensor] = mean_of_sequences
    coupled: bool = False
    can_start: bool = True
    masks: Callable[[Arrays, Arrays, Arrays, Sequence[int]], dict[str, Any]] | None = None
    reads: tuple[str, ...] = ()

    def each(self, weights: Weights, sequences: Sequence[One]) -> list[dict[str, Tensor]]:
        """The twin of every sequence."""
        found: list[dict[str, Tensor]]
        found = self.twin(weights, sequences) if self.coupled else [self.twin(weights, one) for one in sequences]
        return found


# ---- torch's modules -----------------------------------------------------------------------------
def cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(scores, targets)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.nn.functional.linear(x, weight, bias)


def embedding(symbols: Tensor, table: Tensor) -> Tensor:
    return torch.nn.functional.embedding(symbols, table)


def zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float64)


def module(
    kind: str,
    x: Tensor,
    of_input: Sequence[Tensor],
    of_state: Sequence[Tensor],
    bias: Sequence[Tensor] | None = None,
    second_bias: Sequence[Tensor] | None = None,
    start: Any = None,
    **settings: Any,
) -> Tensor:
    """The outputs [n, H] of torch.nn.RNN, LSTM or GRU with these weights, gate by gate in torch's order.

    start: [H], of an LSTM (h, c).
    """
    hidden = of_state[0].shape[1]
    flat = {"weight_ih_l0": torch.cat(list(of_input)), "weight_hh_l0": torch.cat(list(of_state))}
    if bias is not None:
        flat["bias_ih_l0"] = torch.cat(list(bias))
        flat["bias_hh_l0"] = torch.zeros_like(flat["bias_ih_l0"]) if second_bias is None else torch.cat([*second_bias])
    made = getattr(torch.nn, kind)(x.shape[1], hidden, bias=bias is not None, dtype=torch.float64, **settings)
    state = tuple(s[None] for s in start) if isinstance(start, tuple) else None if start is None else start[None]
    outputs, _ = torch.func.functional_call(made, flat, (x, state))
    return outputs


def rnn(x: Tensor, U: Tensor, W: Tensor, b: Tensor | None, start: Tensor | None, **settings: Any) -> Tensor:
    """torch.nn.RNN of one bias."""
    return module("RNN", x, [U], [W], None if b is None else [b], start=start, **settings)


def lstm(w: Weights, x: Tensor, gates: str, start: Any = None, biased: bool = True) -> Tensor:
    """torch.nn.LSTM whose weights are U_i, W_i, b_i and so on; gates: our letters of input, forget, cell, output."""
    bias = [w[f"b_{g}"] for g in gates] if biased else None
    return module("LSTM", x, [w[f"U_{g}"] for g in gates], [w[f"W_{g}"] for g in gates], bias, start=start)
