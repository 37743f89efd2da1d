"""Characters a second that a language model writes, drawn one by one: this project's and torch's plain loop.

    python benchmarks/generation.py [--units 128] [--vocabulary 65] [--length 4000] [--threads 1] [--rounds 15]
                                    [--limit 120] [--quick] [--out FILE]

One stream of an LSTM, at temperature 1: ``generate`` of a run, whole (setting up, drawing, the text), and in torch a
loop of Embedding, LSTMCell, Linear and multinomial in inference mode, from the same weights. The probabilities of the
first steps are compared. Then both take turns, as in training_step.py: rounds in which others took more than 3 % of the
processors' time are dropped. Without torch, ours alone. Exits with 1 where the probabilities differ.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.names import limit_threads, measured_options

TOLERANCE = 1e-5
"""Of probabilities, in float32."""
GATES = "ifgq"
"""Ours, in torch's order."""
FIRST_CHARACTER = 0x4E00
"""The vocabulary is so many letters from here on."""
COMPARED = 20


def main(given: Sequence[str] | None = None) -> int:
    """Compare, measure, print."""
    options = _options(given)
    limit_threads(options.threads)  # before torch and Numba are loaded
    from training import report
    from training.rounds import measure

    machine = report.machine(options.threads)
    run = our_run(options.units, options.vocabulary)
    runs: dict[str, Callable[[], Any]] = {"bptt": lambda: run.generate(options.length)}
    wrong = False
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(options.threads)
        wrong = _differ(torch, run)
        runs["torch"] = lambda: torch_writes(torch, run.weights, options.length)
    if wrong:
        print(f"torch's probabilities differ from ours by more than {TOLERANCE:g}")
    rounds = measure(runs, options.threads, options.rounds, options.limit)
    print(f"{machine['processor']}, {options.threads} threads, load {machine['load'][0]:.1f}; {rounds.words()}")
    for name in runs:
        seconds = rounds.seconds(name)
        median, low, high = (options.length / s for s in (seconds.median, seconds.high, seconds.low))
        ratio = f"{rounds.ratio(name, 'bptt').text()} times our time" if name != "bptt" else ""
        print(f"{name:8}{median:10,.0f} ({low:,.0f} to {high:,.0f}) characters a second   {ratio}")
    if options.out:
        ratios = {name: asdict(rounds.ratio(name, "bptt")) for name in runs}
        report.write({"machine": machine, "length": options.length, "ratios": ratios, **rounds.json()}, options.out)
    return int(wrong)


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--vocabulary", type=int, default=65, help="characters")
    parser.add_argument("--length", type=int, default=4000, help="characters of a text")
    return measured_options(parser, 1, given)


def our_run(units: int, vocabulary: int) -> Any:
    """A run of a language model that has learnt nothing: what is written costs the same."""
    from bptt.rnn import Settings
    from bptt.rnn.data import Vocabulary
    from bptt.rnn.runs.run import Run
    from bptt.rnn.tasks import LanguageModel

    settings = Settings(vector=64, hidden=units)
    # one symbol stands for what the vocabulary lacks
    letters = "\n" + "".join(chr(FIRST_CHARACTER + i) for i in range(vocabulary - 2))
    task = LanguageModel(Vocabulary.of(letters), settings.for_task())
    cell = task.cell()
    net = cell(**task.sizes_for(cell))
    return Run(Path("run"), {}, settings, task, net, net.init(seed=0), 0)


class Torch:
    """Embedding, LSTMCell and Linear with the weights of a run."""

    def __init__(self, torch: Any, weights: Any) -> None:
        symbols, vector = weights["E"].shape
        units = weights["W_f"].shape[0]
        self.torch = torch
        self.table, self.cell = torch.nn.Embedding(symbols, vector), torch.nn.LSTMCell(vector, units)
        self.out = torch.nn.Linear(units, symbols)
        with torch.no_grad():
            self.table.weight.copy_(torch.tensor(weights["E"]))
            self.out.weight.copy_(torch.tensor(weights["V"]))
            self.out.bias.copy_(torch.tensor(weights["d"]))
            for ours, theirs in (("U", self.cell.weight_ih), ("W", self.cell.weight_hh), ("b", self.cell.bias_ih)):
                theirs.copy_(torch.cat([torch.tensor(weights[f"{ours}_{gate}"]) for gate in GATES]))
            self.cell.bias_hh.zero_()

    def step(self, symbol: Any, state: Any) -> tuple[Any, Any]:
        """Probabilities [1, n] after a symbol [1], and the state."""
        state = self.cell(self.table(symbol), state)
        return self.torch.softmax(self.out(state[0]), 1), state


def torch_writes(torch: Any, weights: Any, length: int) -> list[int]:
    """Symbols drawn one by one."""
    model, state = Torch(torch, weights), None
    symbol, found = torch.zeros(1, dtype=torch.int64), []
    with torch.inference_mode():
        for _ in range(length):
            p, state = model.step(symbol, state)
            symbol = torch.multinomial(p[0], 1)
            found.append(int(symbol))
    return found


def _differ(torch: Any, run: Any) -> bool:
    """Whether the probabilities of some steps are not ours."""
    import numpy as np
    from bptt import compiler

    weights, model, state = run.weights, Torch(torch, run.weights), None
    symbols = np.arange(COMPARED)[:, None] % weights["E"].shape[0]
    o = compiler.compile(run.net, loss=None, returns=("o",), training=False)(weights, x=symbols).value["o"][:, 0]
    ours = np.exp(o - o.max(-1, keepdims=True))
    ours /= ours.sum(-1, keepdims=True)
    theirs = []
    with torch.inference_mode():
        for symbol in symbols:
            p, state = model.step(torch.from_numpy(symbol), state)
            theirs.append(p[0].numpy())
    return bool(np.abs(ours - np.array(theirs)).max() > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
