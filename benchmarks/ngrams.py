"""Counted n-grams beside a fixed window and a recurrent network on the same text: what is stored, and the perplexity.

    BPTT_DATA=… python benchmarks/ngrams.py          # tinyshakespeare; without BPTT_DATA the prose that CPython carries
    python benchmarks/ngrams.py --quick              # a tenth of the updates

The first 90 % of the characters are counted, or trained on; the rest is evaluated, from its second character to its
last. Counts have the probabilities of Witten and Bell (``rnn.NGrams``); by counts alone, n(c, w) / n(c), one unseen
n-gram makes the perplexity infinite. The networks are ``window_lm``, which sees four characters as a counted 5-gram
does, small and with about as many weights as the recurrent one, and ``rnn_lm``, the LSTM that `bptt train` takes.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
from bptt import compiler, rnn
from bptt.rnn import NGrams, Settings, Trainer
from bptt.rnn.data import python_prose, read_text, text_of
from bptt.rnn.tasks import Task

ORDERS = (1, 2, 3, 4, 5)
SETTINGS = Settings(
    vector=64, hidden=128, batch=32, window=64, updates=2000, rate=0.01, schedule="cosine", clip=1.0, validation_steps=0
)


def counted(before: np.ndarray, after: np.ndarray, symbols: int) -> None:
    """A line for each order."""
    for n in ORDERS:
        begin = time.perf_counter()
        model = NGrams.count(before, n, symbols)
        nats = -model.log_probabilities(after)[1:].mean()
        unseen = model.unseen(after)
        seconds = time.perf_counter() - begin
        print(
            f"{n}-grams counted{'':5} {sum(model.entries):>12,} {symbols**n:>15,} {unseen:>9.2%}"
            f" {nats:>7.3f} {math.exp(nats):>11.2f} {seconds:>8.1f}",
            flush=True,
        )


def trained(task: Task, name: str, cell: rnn.Cell, updates: int, **sizes: int) -> None:
    """The line of a network."""
    begin = time.perf_counter()
    net = cell(**{**task.sizes_for(cell), **sizes})
    bound = task.bind(net)
    settings = Settings(**{**SETTINGS.table(), "updates": updates})
    trainer = Trainer(
        net,
        bound.training,
        optimiser=settings.make_optimiser(net),
        schedule=settings.make_schedule(),
        clip=settings.clip,
        window=settings.window,
        seed=settings.seed,
    )
    for _ in range(updates):
        trainer.step()
    reader = compiler.compile(bound.net, None, returns=bound.returns, training=False)
    nats = bound.validate(reader, trainer.weights)["nats"]
    weights = sum(w.size for w in trainer.weights.values())
    seconds = time.perf_counter() - begin
    print(
        f"{name:20} {weights:>12,} {'':>15} {'':>9} {nats:>7.3f} {math.exp(nats):>11.2f} {seconds:>8.1f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the updates")
    updates = SETTINGS.updates // (10 if parser.parse_args().quick else 1)
    folder = os.environ.get("BPTT_DATA", "")
    path = Path(folder) / "tinyshakespeare" / "input.txt" if folder else None
    task = Task.of(path, SETTINGS.for_task())
    text = text_of(read_text(path) if path else python_prose())
    before, after = text.parts
    symbols = len(text.vocabulary)
    source = task.about["source"]
    print(f"{source}: {len(before):,} characters to learn from, {len(after):,} to predict, {symbols} kinds")
    print(
        f"{'':20} {'stored':>12} {'possible':>15} {'unseen':>9} {'nats':>7} {'perplexity':>11} {'seconds':>8}"
    )
    counted(before, after, symbols)
    trained(task, "window_lm", rnn.window_lm, updates)
    trained(task, "window_lm, wide", rnn.window_lm, updates, e=128, h=512)
    trained(task, "rnn_lm", task.cell(), updates)


if __name__ == "__main__":
    main()
