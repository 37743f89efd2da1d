"""Small data for each task, and what is made of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bptt import compiler
from bptt.rnn.tasks import Bound, Task, TaskSettings

SMALL = TaskSettings(vector=3, hidden=4, batch=3, window=5, share=0.7)
ROW = "\t_\t_\t0\troot\t_\t_"


def conllu(sentences: int) -> str:
    words = [("the", "DET"), ("dog", "NOUN"), ("barks", "VERB"), ("loudly", "ADV")]
    blocks = []
    for i in range(sentences):
        some = words[: 1 + i % 4]
        blocks.append("".join(f"{n}\t{w}\t_\t{tag}{ROW}\n" for n, (w, tag) in enumerate(some, 1)))
    return "\n".join(blocks)


def sine(n: int) -> str:
    return "up,down\n" + "".join(f"{5 + 2 * math.sin(i / 2)},{-i % 7}\n" for i in range(n))


FILES = {
    "language_model": ("a.txt", "to be, or not to be;\nthat is the question:\n" * 5),
    "tagger": ("a.conllu", conllu(20)),
    "classifier": ("a.tsv", "good\tthe film is fine\nbad\tthe film is dull\ngood\tfine\nbad\tso dull\n" * 5),
    "forecaster": ("a.csv", sine(60)),
    "translator": ("b.tsv", "".join(f"{'ab' * i}c\tc{'ba' * i}\n" for i in range(20))),
}


def of(kind: str, folder: Path, settings: TaskSettings = SMALL, content: str | None = None) -> Task:
    name, usual = FILES[kind]
    path = folder / name
    path.write_text(usual if content is None else content, encoding="utf-8")
    return Task.of(path, settings)


def bound(task: Task, dtype: str = "float64") -> Bound:
    cell = task.cell()
    return task.bind(cell(**task.sizes_for(cell)), dtype)


def reader(of_task: Bound) -> Any:
    return compiler.compile(
        of_task.net, loss=None, returns=of_task.returns, target="interpret", dtype=str(of_task.dtype), training=False
    )
