"""A whole training update of an LSTM on Shakespeare: data, gradient, clipping, Adam; this project's and torch's.

    BPTT_DATA=… python benchmarks/update.py [--threads 2] [--rounds 15] [--limit 120] [--quick] [--out FILE]

The network of tinyshakespeare.py, 128 units, 32 rows, windows of 64 steps with carried state. torch: Embedding, LSTM,
Linear, cross_entropy, clip_grad_norm_ and Adam, as it is by default and fused. All begin with the same weights and read
the same windows; loss and gradient norm of the first updates are compared. Then all take turns, as in training_step.py:
rounds in which others took more than 3 % of the processors' time are dropped. Exits with 1 where the losses differ.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.names import limit_threads, measured_options

COMPARED = 3
TOLERANCE = 1e-4
"""Of losses and gradient norms of the first updates, in float32."""
GATES = "ifgq"
"""Ours, in torch's order."""
CLIP = 1.0
Update = Callable[[], tuple[float, float]]
"""Makes an update: its loss, and its gradient's norm before clipping."""


def main(given: Sequence[str] | None = None) -> int:
    """Compare, measure, print."""
    options = _options(given)
    limit_threads(options.threads)  # before torch and Numba are loaded
    import torch
    from training import report
    from training.rounds import measure

    torch.set_num_threads(options.threads)
    machine = report.machine(options.threads)
    trainer = our_trainer()
    weights = {name: w.copy() for name, w in trainer.weights.items()}
    rate = trainer.optimiser.rate
    runs: dict[str, Update] = {"bptt": lambda: _of_step(trainer.step())}
    for name, fused in (("torch", False), ("torch, fused Adam", True)):
        runs[name] = torchs_update(torch, weights, trainer.batches, rate, fused)
    wrong = _differing(runs)
    for name in wrong:
        print(f"{name}: losses or gradient norms differ from ours by more than {TOLERANCE:g}")
    rounds = measure(runs, options.threads, options.rounds, options.limit)
    print(f"{machine['processor']}, {options.threads} threads, load {machine['load'][0]:.1f}; {rounds.words()}")
    for name in runs:
        ratio = f"{rounds.ratio(name, 'bptt').text()} times ours" if name != "bptt" else ""
        print(f"{name:20}{rounds.seconds(name).times(1e3).text('.3f'):>28} ms   {ratio}")
    if options.out:
        ratios = {name: asdict(rounds.ratio(name, "bptt")) for name in runs}
        report.write({"machine": machine, "ratios": ratios, **rounds.json()}, options.out)
    return int(bool(wrong))


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    return measured_options(parser, 2, given)


def our_trainer() -> Any:
    """As ``bptt train`` would make it, at a constant rate."""
    from bptt.rnn import Settings, Trainer
    from bptt.rnn.tasks import Task

    settings = Settings(vector=64, hidden=128, batch=32, window=64, rate=0.002, clip=CLIP)
    path = Path(os.environ.get("BPTT_DATA", ".")) / "tinyshakespeare" / "input.txt"
    task = Task.of(path, settings.for_task())
    cell = task.cell()
    net = cell(**task.sizes_for(cell))
    bound, optimiser = task.bind(net), settings.make_optimiser(net)
    return Trainer(net, bound.training, optimiser=optimiser, clip=settings.clip, window=settings.window)


def _of_step(step: Any) -> tuple[float, float]:
    return step.loss, step.norm


def torchs_update(torch: Any, weights: Any, batches: Any, rate: float, fused: bool) -> Update:
    """An update in torch, from the same weights and the same windows: its loss, and its gradient's norm."""
    symbols, vector = weights["E"].shape
    units = weights["W_f"].shape[0]
    table, lstm = torch.nn.Embedding(symbols, vector), torch.nn.LSTM(vector, units)
    out = torch.nn.Linear(units, symbols)
    with torch.no_grad():
        table.weight.copy_(torch.tensor(weights["E"]))
        out.weight.copy_(torch.tensor(weights["V"]))
        out.bias.copy_(torch.tensor(weights["d"]))
        for ours, theirs in (("U", lstm.weight_ih_l0), ("W", lstm.weight_hh_l0), ("b", lstm.bias_ih_l0)):
            theirs.copy_(torch.cat([torch.tensor(weights[f"{ours}_{gate}"]) for gate in GATES]))
        lstm.bias_hh_l0.zero_()
    lstm.bias_hh_l0.requires_grad_(False)  # one bias, as ours
    parameters = [p for part in (table, lstm, out) for p in part.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, rate, fused=fused)
    done, state = 0, None

    def update() -> tuple[float, float]:
        nonlocal done, state
        batch = batches[done]
        done += 1
        x, y = torch.from_numpy(batch.inputs["x"]), torch.from_numpy(batch.inputs["y"])
        state = None if batch.fresh or state is None else tuple(part.detach() for part in state)
        h, state = lstm(table(x), state)
        loss = torch.nn.functional.cross_entropy(out(h).reshape(-1, symbols), y.reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        return float(loss.detach()), float(norm)

    return update


def _differing(runs: dict[str, Update]) -> list[str]:
    """Those whose first updates are not ours."""
    found = {name: [run() for _ in range(COMPARED)] for name, run in runs.items()}
    far = lambda a, b: any(abs(p - q) > TOLERANCE * abs(q) for p, q in zip(a, b, strict=True))  # noqa: E731
    return [name for name, steps in found.items() if any(map(far, steps, found["bptt"]))]


if __name__ == "__main__":
    sys.exit(main())
