"""``bptt predict``: what a trained network makes of something new, of any task."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..data import DataError, read_conllu, read_series, read_text
from .command import command

STDIN = "/dev/stdin"
FILES = (".txt", ".text", ".csv", ".tsv", ".tab", ".npy", ".conllu", ".conll")
"""Suffixes by which a word that names no file is taken for a slip, not for a text."""


def add(commands: Any, add_run: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the command; ``add_run`` adds the arguments that say which run."""
    parser = command(
        commands,
        "predict",
        predict,
        "What a trained network makes of something new.",
        epilog="A tagger prints a word, a tab and its tag a line, with a blank line between sentences; a classifier the"
        " label of each text and the probabilities; a forecaster the values that come next, as CSV; a language"
        " model the symbols that may come next, as JSON strings, with their probabilities; a translator what each text"
        " becomes.",
    )
    add_run(parser)
    parser.add_argument(
        "given",
        nargs="?",
        metavar="TEXT|FILE",
        help="a text, or a file: texts or sentences, one a line (a tagger reads CoNLL-U as well), a text to go on, a"
        " series (CSV, NPY); - or nothing: standard input",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="steps to forecast (default: 1)")
    shown = "labels, next symbols (default: 5) or translations (1) that are shown"
    parser.add_argument("--most", type=int, metavar="N", help=shown)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(late="given")


def predict(given: argparse.Namespace) -> None:
    """bptt predict"""
    from .runs import load_run

    run = load_run(given)
    task = run.task.name
    if given.steps is not None and task != "forecaster":
        raise DataError(f"--steps: expected a run of a forecaster, {run.folder} is a {task.replace('_', ' ')}")
    if given.most is not None and task not in ("classifier", "language_model", "translator"):
        wanted = "a classifier, a language model or a translator"
        raise DataError(f"--most: expected a run of {wanted}, {run.folder} is a {task}")
    if given.most is not None and given.most < 1:
        raise DataError(f"--most: expected a whole number of at least 1, got {given.most}")
    if given.given is None:
        given.given = "-"
        if sys.stdin is not None and sys.stdin.isatty():
            wanted = "a series (CSV)" if task == "forecaster" else "a text"
            print(f"bptt: reading {wanted} from standard input; it ends with Ctrl-D", file=sys.stderr)
    for record, line in KINDS[task](run, given):
        print(json.dumps(record, ensure_ascii=False) if given.json else line)


Answers = Iterator[tuple[Mapping[str, Any], str]]
"""What is printed: as JSON, and as a line for people."""


def _tags(run: Any, given: argparse.Namespace) -> Answers:
    if Path(given.given).suffix.lower() in (".conllu", ".conll") and os.path.isfile(given.given):
        sentences: list[Any] = [sentence.words for sentence in read_conllu(given.given)]
    else:
        sentences = _lines(given.given)
    for number, sentence in enumerate(sentences):
        found = run.predict(sentence)
        record = {"words": [word for word, _ in found], "tags": [tag for _, tag in found]}
        yield record, ("\n" if number else "") + "\n".join(f"{word}\t{tag}" for word, tag in found)


def _labels(run: Any, given: argparse.Namespace) -> Answers:
    from ..runs.scoring import labelled

    found = None if given.given == "-" else labelled(run, given.given)
    if found is not None:
        what = f"{given.given} has labels, which are not read; bptt score {run.folder} {given.given} measures them"
        print(f"bptt: {what}", file=sys.stderr)
    for text in _lines(given.given) if found is None else [one.text for one in found]:
        found = run.predict(text)
        odds = sorted(found.probabilities.items(), key=lambda one: -one[1])[: given.most or 5]
        record = {"label": found.label, "probabilities": dict(odds)}
        yield record, f"{found.label}\t" + ", ".join(f"{label} {p:.4f}" for label, p in odds)


def _values(run: Any, given: argparse.Namespace) -> Answers:
    path, task = given.given, run.task
    if path != "-" and not os.path.exists(path):
        raise DataError(f"{path}: expected the file of a series (CSV, TSV, NPY), there is no such file")
    with standard_input(path, "a series (CSV)") as place:
        series = read_series(place, run.settings.columns)
    if series.columns != task.columns:
        raise DataError(
            f"{path}: expected the columns {', '.join(task.columns)}, which {run.folder} was trained on,"
            f" got {', '.join(series.columns)}"
        )
    found = run.predict(series.values, steps=1 if given.steps is None else given.steps)
    if not given.json and not all(name.isdecimal() for name in task.target):
        yield {}, _csv(task.target)
    for step, values in enumerate(found.tolist(), 1):
        yield {"step": step, "values": dict(zip(task.target, values, strict=True))}, _csv(f"{v:.7g}" for v in values)


def _next(run: Any, given: argparse.Namespace) -> Answers:
    text = text_of(given.given)
    if text != given.given:  # of a file: its last line end does not stand before what comes next
        text = text.removesuffix("\n")
    tell_unseen(run, text, "text")
    for symbol in run.predict(text, most=given.most or 5):
        record = {"symbol": symbol.token, "probability": symbol.probability}
        yield record, f"{json.dumps(symbol.token, ensure_ascii=False)}\t{symbol.probability:.4f}"


def _translations(run: Any, given: argparse.Namespace) -> Answers:
    most = given.most or 1
    for number, text in enumerate(_lines(given.given)):
        found = run.predict(text, most=most)
        each = [{"text": one.text, "log_probability": one.log_probability} for one in found]
        lines = [one.text if most == 1 else f"{one.log_probability:.3f}\t{one.text}" for one in found]
        yield {"source": text, "translations": each}, ("\n" if number and most > 1 else "") + "\n".join(lines)


KINDS: dict[str, Callable[[Any, argparse.Namespace], Answers]] = {
    "tagger": _tags,
    "classifier": _labels,
    "forecaster": _values,
    "language_model": _next,
    "translator": _translations,
}


def tell_unseen(run: Any, text: str, what: str) -> None:
    """Say on standard error how many symbols of a text the run's vocabulary lacks."""
    unseen = run.task.vocabulary.unseen(text)
    if unseen:
        counted = f"{unseen} {run.task.item}{'' if unseen == 1 else 's'}"
        verb = "was" if unseen == 1 else "were"
        print(f"bptt: {counted} of the {what} {verb} not in the run's text", file=sys.stderr)


def _lines(given: str) -> list[str]:
    """The texts: of a file or standard input its lines that are not blank, else what was given."""
    lines = [line for line in text_of(given).split("\n") if line.strip()]
    if not lines:
        raise DataError("expected a text, got an empty one")
    return lines


@contextmanager
def standard_input(given: str, what: str = "a text") -> Iterator[str]:
    """The file to read: what was given, or for - standard input, which errors within it then name so."""
    if given != "-":
        yield given
        return
    try:
        yield STDIN
    except DataError as error:
        said = str(error).replace(str(STDIN), "standard input", 1)
        raise DataError(f"{said}; give {what} there, or name a file") from error


def text_of(given: str) -> str:
    """A text itself, or that of a file or of standard input. Raises DataError for a name of no file."""
    if given == "-":
        with standard_input(given) as path:
            return read_text(path)
    if os.path.isfile(given):
        return read_text(given)
    if Path(given).suffix.lower() in FILES and len(given.split()) == 1:
        raise DataError(
            f"{given}: expected a text or a file, there is no such file; mend its name, or give a text like this on"
            " standard input"
        )
    return given


def _csv(cells: Iterable[str]) -> str:
    """A row of CSV, quoted where it has to be."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
