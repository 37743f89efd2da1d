"""``bptt predict``: what a trained network makes of something new, of any task."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import DataError, read_conllu, read_for, read_series
from ..data.pairs import read_sources
from ..tasks.base import named
from .command import add_unknown, command

if TYPE_CHECKING:
    from ..runs.run import Run

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
    add_unknown(parser)
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
    if given.unknown and not run.task.symbolic:
        raise DataError(f"--unknown: expected a run that reads symbols, {run.folder} is a {task}")
    if given.most is not None and given.most < 1:
        raise DataError(f"--most: expected a whole number of at least 1, got {given.most}")
    if given.given is None:
        given.given = "-"
        if sys.stdin is not None and sys.stdin.isatty():
            wanted = "a series (CSV)" if task == "forecaster" else "a text"
            print(f"bptt: reading {wanted} from standard input; it ends with Ctrl-D", file=sys.stderr)
    asked = _Asked(run, given.unknown)
    for record, line in KINDS[task](asked, given):
        print(json.dumps(record, ensure_ascii=False) if given.json else line)
    tell_unseen(run, asked.unseen, "what was given")


class _Asked:
    """A run that is asked again and again; ``unseen`` counts the symbols that were read as the unknown one."""

    def __init__(self, run: Run, unknown: str) -> None:
        self.run, self.unseen = run, 0
        self.task: Any = run.task
        self._options = {"unknown": unknown} if run.task.symbolic else {}

    def predict(self, given: Any, place: str = "", **options: Any) -> Any:
        """See ``Run.predict``; an error begins with the ``place``, where there is one."""
        with named(place) if place else nullcontext():
            found = self.run.predict(given, **options, **self._options)
        self.unseen += self.task.unseen(given)
        return found


Answers = Iterator[tuple[Mapping[str, Any], str]]
"""What is printed: as JSON, and as a line for people."""


def _tags(asked: _Asked, given: argparse.Namespace) -> Answers:
    if Path(given.given).suffix.lower() in (".conllu", ".conll") and os.path.isfile(given.given):
        read = read_conllu(given.given)
        sentences: list[tuple[str, Any]] = [(f"{given.given}, line {one.lines[0]}", one.words) for one in read]
    else:
        sentences = list(_lines(given.given))
    for number, (place, sentence) in enumerate(sentences):
        found = asked.predict(sentence, place)
        record = {"words": [word for word, _ in found], "tags": [tag for _, tag in found]}
        yield record, ("\n" if number else "") + "\n".join(f"{word}\t{tag}" for word, tag in found)


def _labels(asked: _Asked, given: argparse.Namespace) -> Answers:
    from ..runs.scoring import labelled

    run = asked.run
    found = None if given.given == "-" else labelled(run, given.given)
    if found is not None:
        what = f"{given.given} has labels, which are not read; bptt score {run.folder} {given.given} measures them"
        print(f"bptt: {what}", file=sys.stderr)
    for place, text in _lines(given.given) if found is None else [(one.place, one.text) for one in found]:
        found = asked.predict(text, place)
        odds = sorted(found.probabilities.items(), key=lambda one: -one[1])[: given.most or 5]
        record = {"label": found.label, "probabilities": dict(odds)}
        yield record, f"{found.label}\t" + ", ".join(f"{label} {p:.4f}" for label, p in odds)


def _values(asked: _Asked, given: argparse.Namespace) -> Answers:
    path, run, task = given.given, asked.run, asked.task
    if path != "-" and not os.path.exists(path):
        raise DataError(f"{path}: expected the file of a series (CSV, TSV, NPY), there is no such file")
    with standard_input(path, "a series (CSV)") as place:
        series = read_series(place, run.settings.columns)
    if series.columns != task.columns:
        raise DataError(
            f"{path}: expected the columns {', '.join(task.columns)}, which {run.folder} was trained on,"
            f" got {', '.join(series.columns)}"
        )
    found = asked.predict(series.values, steps=1 if given.steps is None else given.steps)
    if not given.json and not all(name.isdecimal() for name in task.target):
        yield {}, _csv(task.target)
    for step, values in enumerate(found.tolist(), 1):
        yield {"step": step, "values": dict(zip(task.target, values, strict=True))}, _csv(f"{v:.7g}" for v in values)


def _next(asked: _Asked, given: argparse.Namespace) -> Answers:
    text, unit = text_of(given.given, asked.task.unit), asked.task.unit
    if isinstance(text, str) and text != given.given:  # of a file: its last line end is not before what comes next
        text = text.removesuffix("\n")
    for symbol in asked.predict(text, most=given.most or 5):
        record = {"symbol": symbol.token, "probability": symbol.probability}
        record |= {"byte": symbol.symbol} if unit == "byte" else {}
        yield record, f"{json.dumps(symbol.token, ensure_ascii=False)}\t{symbol.probability:.4f}"


def _translations(asked: _Asked, given: argparse.Namespace) -> Answers:
    most = given.most or 1
    for number, (place, text) in enumerate(_sources(asked.run, given.given)):
        found = asked.predict(text, place, most=most) if text.strip() else []
        each = [{"text": one.text, "log_probability": one.log_probability} for one in found]
        lines = [one.text if most == 1 else f"{one.log_probability:.3f}\t{one.text}" for one in found]
        lines = lines or [""]  # of a blank line: what is written has as many as what was read
        yield {"source": text, "translations": each}, ("\n" if number and most > 1 else "") + "\n".join(lines)


def _sources(run: Run, given: str) -> list[tuple[str, str]]:
    """Where each text to translate stands, and the text; targets beside them are left out, and that is said."""
    if given != "-" and not os.path.isfile(given):
        return _lines(given)
    name = "standard input" if given == "-" else given
    with standard_input(given) as path:
        found, targets = read_sources(path, name)
    if targets:
        mend = "" if given == "-" else f"; bptt score {run.folder} {given} measures them"
        print(f"bptt: {name} has targets, which are not read{mend}", file=sys.stderr)
    return found


KINDS: dict[str, Callable[[_Asked, argparse.Namespace], Answers]] = {
    "tagger": _tags,
    "classifier": _labels,
    "forecaster": _values,
    "language_model": _next,
    "translator": _translations,
}


def tell_unseen(run: Run, unseen: int, what: str) -> None:
    """Say on standard error how many symbols were read as the unknown one."""
    if unseen:
        unit = run.task.unit
        counted = f"{unseen} {unit}s of {what} are" if unseen > 1 else f"1 {unit} of {what} is"
        print(f"bptt: {counted} not in the run's vocabulary: read as the unknown {unit}", file=sys.stderr)


def _lines(given: str) -> list[tuple[str, str]]:
    """Where each text stands, and the text: of a file or standard input its lines that are not blank, else what was
    given, which stands nowhere."""
    text = str(text_of(given))
    file = "standard input" if given == "-" else given if text != given else ""
    lines = enumerate(text.split("\n"), 1)
    found = [(f"{file}, line {number}" if file else "", line) for number, line in lines if line.strip()]
    if not found:
        raise DataError("expected a text, got an empty one")
    return found


@contextmanager
def standard_input(given: str, what: str = "a text") -> Iterator[str]:
    """The file to read: what was given, or for - standard input, which errors within it then name so."""
    if given != "-":
        yield given
        return
    try:
        yield STDIN
    except DataError as error:
        said = str(error).replace(str(STDIN), "standard input", 1).replace("the file is empty", "it is empty")
        raise DataError(f"{said}; give {what} there, or name a file") from error


def text_of(given: str, unit: str = "") -> str | bytes:
    """A text itself, or that of a file or of standard input, of which a run that reads bytes gets these as they are.

    Raises DataError for a name of no file.
    """
    if given == "-":
        with standard_input(given) as path:
            return read_for(unit, path)
    if os.path.isfile(given):
        return read_for(unit, given)
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
