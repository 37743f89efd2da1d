"""Sums over a batch from what a network gave, in float64, and what they come to per item."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..data import Array, Batch, DataError

Totals = dict[str, float]
"""Sums over items: those of several batches are added name by name."""


def log_probabilities(scores: Array, loss: str) -> NDArray[np.float64]:
    """log p […, n] from logits (cross_entropy) or probabilities (nll). Raises DataError where one is not finite."""
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError("the network's output is not finite: its weights have diverged; train it anew")
    if loss == "nll":
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(values))
    shifted = values - values.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def counted(batch: Batch, target: Array) -> NDArray[np.bool_]:
    """Where the loss counts an item: [T, B] within lengths, after ``before``, with a target; [B] for static ones."""
    if target.ndim == 1:
        return np.asarray(target >= 0) if target.dtype.kind in "iu" else np.ones(len(target), dtype=bool)
    steps = np.arange(len(target))[:, None]
    lengths = np.full(target.shape[1], len(target)) if batch.lengths is None else batch.lengths
    valid = np.asarray((steps >= batch.before) & (steps < lengths))
    return valid & (target >= 0) if target.dtype.kind in "iu" else valid


def symbol_totals(batch: Batch, scores: Array, loss: str) -> Totals:
    """items, nats (−log p of the targets) and correct (targets that are the most probable) of scores [T, B, n] or
    [B, n]; a static score may stand against a target that only the last step has."""
    target = batch.inputs["y"]
    where = counted(batch, target)
    if scores.ndim == target.ndim:  # [B, n] against [T, B]
        last = batch.steps - 1 if batch.lengths is None else batch.lengths - 1
        target, where = target[last, np.arange(target.shape[1])], where[last, np.arange(target.shape[1])]
    logs, wanted = log_probabilities(scores[where], loss), target[where]
    nats = -logs[np.arange(len(wanted)), wanted]
    correct = np.count_nonzero(logs.argmax(axis=-1) == wanted)
    return {"items": float(len(wanted)), "nats": math.fsum(nats), "correct": float(correct)}


def square_totals(batch: Batch, forecast: Array) -> Totals:
    """``error_totals`` of a forecast [T, B] or [T, B, m]."""
    target = batch.inputs["y"]
    where = counted(batch, target[..., 0] if target.ndim == 3 else target)
    errors = (np.asarray(forecast, np.float64)[where] - target[where]).reshape(np.count_nonzero(where), -1)
    return error_totals(errors)


def error_totals(errors: Array) -> Totals:
    """items (values) of errors [N, m] in units of the network, and the sums of their squares, all of them and column
    by column ("squares_0", …)."""
    columns = {f"squares_{i}": math.fsum(errors[:, i] ** 2) for i in range(errors.shape[1])}
    return {"items": float(errors.size), "squares": math.fsum((errors**2).reshape(-1)), **columns}


def symbol_measures(totals: Mapping[str, float], accuracy: bool) -> dict[str, float]:
    """nats and bits an item; perplexity, or accuracy."""
    nats = totals["nats"] / totals["items"]
    found = {"nats": nats, "bits": nats / math.log(2.0)}
    if accuracy:
        return {**found, "accuracy": totals["correct"] / totals["items"]}
    return {**found, "perplexity": math.exp(min(nats, 700.0))}


def unseen_in_validation(count: int, unit: str) -> dict[str, int]:
    """What a run notes of its data where validation reads symbols as the unknown one: how many."""
    return {f"validation_{unit}s_unknown": count} if count else {}


def square_measures(totals: Mapping[str, float], columns: Sequence[str], scale: Array) -> dict[str, float]:
    """mse, the mean squared error of a value as the network has it (in variances of the training part), and its root,
    normalised_rmse; rmse, the root in the data's own units, of several columns each by itself: rmse_COLUMN.

    scale [m]: a unit of the network in the data's own, by which roots are multiplied: its square may overflow."""
    mse = totals["squares"] / totals["items"]
    steps = totals["items"] / len(columns)
    names = [f"rmse_{name}" for name in columns] if len(columns) > 1 else ["rmse"]
    own = {name: float(scale[i]) * math.sqrt(totals[f"squares_{i}"] / steps) for i, name in enumerate(names)}
    return {"mse": mse, **own, "normalised_rmse": math.sqrt(mse)}
