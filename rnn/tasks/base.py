"""Tasks: what a network is trained for. A task knows the data, a default network, and how well it does.

How a training run uses one::

    task  = Task.of("train.conllu", settings)             # reads the data
    cell  = task.cell()                                   # the default network, or any other with x, y and L
    net   = cell(**task.sizes_for(cell))
    bound = task.bind(net, dtype="float32")               # raises DataError where they do not fit each other
    batch = bound.training[update]                        # inputs by name, as this network reads them
    reader = compiler.compile(bound.net, loss=None, returns=bound.returns, training=False)
    bound.validate(reader, weights)                       # {"nats": …, "accuracy": …}
    bound.predict(reader, weights, "show me the flights")
    kept  = task.save()                                   # plain JSON: vocabularies, labels, normalisation
    again = Task.restore(kept)                            # predicts; has no data

What is trained on decides the vocabulary and the normalisation; validation data never do: what the vocabulary lacks
is read there as the unknown symbol, and counted in ``about``. The labels are those of both parts.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from ...graph.errors import FreeSizesError, LanguageError
from ...graph.shapes import infer_shapes
from ..data import Again, Array, Batch, Batches, Buckets, Cache, DataError, Reading, Sequences
from ..data.order import shuffled
from .bound import Bound
from .measures import Totals
from .scores import sized_by_targets
from .settings import TaskSettings

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..define import Cell

Item = TypeVar("Item")


@dataclass(frozen=True)
class Main:
    """The measure that early stopping and schedules watch, and whether less of it is better."""

    name: str
    less: bool = True


class Task(ABC):
    """What a network is trained for, on which data.

    name        language_model, tagger, classifier, forecaster or translator
    main        the measure that is watched
    carried     whether a batch may go on where the one before ended (``Batch.kept``)
    symbolic    whether symbols are read and predicted, not numbers
    static      whether a whole sequence has one target, not each step
    over        the index of the steps in which x is read: t, or s of a second sequence
    predicted   what there is a score for, in the singular: "symbol", "tag", "label", "column"
    unit        what its symbols are, in the singular: "character", "word", "byte"; "" where it reads numbers
    item        what the loss counts, in the singular: "character", "word", "byte", "sentence", "line", "value"
    reads       the number of symbols, or of columns, that are read: the size of x
    predicts    the number of scores: the size of o
    settings    what was asked for
    about       what a run notes of its data: source, sha256 (and validation_sha256 where that is of another file),
                numbers of items (plain scalars); {} without data
    """

    name: ClassVar[str]
    main: ClassVar[Main]
    carried: ClassVar[bool] = False
    symbolic: ClassVar[bool] = True
    static: ClassVar[bool] = False
    over: ClassVar[str] = "t"
    predicted: ClassVar[str] = "label"
    unit: str = ""
    item: str
    reads: int
    predicts: int

    def __init__(self, settings: TaskSettings) -> None:
        self.settings = settings
        self.about: dict[str, Any] = {}
        self._training: Batches | None = None
        self._validation: Iterable[Batch] | None = None

    @staticmethod
    def of(data: str | Path | None, settings: TaskSettings | None = None, cache: Cache | None = None) -> Task:
        """Read the data and decide what is learnt from them, unless ``settings.task`` says it.

        data   a file or folder; None: the prose that CPython carries. NPY files and tables of numbers are series,
               CoNLL-U is tagged, tables of pairs of texts are translated, other tables, lines "label sentence" and
               folders of one file a label are classified, any other text is continued. Of a folder with one file
               that has ``train`` in its name and one that has ``dev`` or ``valid``, the one is trained on and the
               other validates
        cache  where the symbols of a text larger than ``settings.memory`` are kept (a file that is made, or used
               again if it fits and is whole; or a function that names it, called if there is such a text); None: a
               temporary file

        Raises DataError, which names the file, the line, what was expected, what came, and the mend.
        """
        from .kinds import task_of

        return task_of(data, settings or TaskSettings(), cache)

    @staticmethod
    def restore(kept: Mapping[str, Any], settings: TaskSettings | None = None) -> Task:
        """The task that ``save`` described, without data: it binds, predicts and scores.

        Raises DataError where ``kept`` is none that ``save`` gave.
        """
        from .kinds import restored

        return restored(kept, settings or TaskSettings())

    # ---- data -------------------------------------------------------------------------------------
    @property
    def training(self) -> Batches:
        """Batches by update. Raises DataError where the task was restored without data."""
        if self._training is None:
            raise DataError(f"this {self.name} has no data to train on: it was restored from a run; read them again")
        return self._training

    @property
    def validation(self) -> Iterable[Batch]:
        """The batches of one pass over the validation part, in order; can be iterated again and again.

        Raises DataError where the task was restored without data.
        """
        if self._validation is None:
            raise DataError(f"this {self.name} has no data to validate with: it was restored from a run")
        return self._validation

    def _read_in_buckets(self, before: Sequences, after: Sequences) -> None:
        """Train on ragged sequences in buckets, shuffled; validate in order, at least 64 rows at a time."""
        self._training = Buckets(before, self.settings.batch, self.settings.seed)
        self._validation = Again(Buckets(after, max(self.settings.batch, 64)).in_order)

    def reading(self, unknown: str = "") -> Reading:
        """How a call reads what the vocabulary lacks: "refuse", "map", or "", as the setting says.

        Raises DataError for anything else.
        """
        return Reading(unknown or self.settings.unknown)

    def unseen(self, given: Any) -> int:
        """How many symbols of what ``predict`` takes the vocabulary lacks."""
        return 0

    # ---- the network ------------------------------------------------------------------------------
    @property
    @abstractmethod
    def equations(self) -> str:
        """The default network as a text."""

    @property
    def init(self) -> dict[str, Any]:
        """Rules for the initial values of the default network's parameters."""
        return {}

    def cell(self) -> Cell:
        """The default network."""
        from ..define import define

        return define(self.equations, name=self.name, init=self.init)

    def sizes_for(self, cell: Cell, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The sizes of x, of what is compared with y, of the cell's units (h and k; of a composed cell those of every
        layer) and e, as far as it has signals or inputs of these names: what the data have, ``hidden``, ``vector``.

        given: sizes by name, which win. Units and e have the size that others determine, where these do. What else a
        cell leaves open its user has to say.
        """
        known = {*cell.inputs, *cell.signals}
        sizes = {**({"x": self.reads} if "x" in known else {}), **cell.sizes_by_name(given or {})}
        for name, size in {sized_by_targets(cell.system): self.predicts, **self._wanted(cell)}.items():
            if name in known and name not in sizes and _agree(cell, {**sizes, name: size}):
                sizes[name] = size
        return sizes

    def _wanted(self, cell: Cell) -> dict[str, int]:
        """The sizes that the settings have for a cell's signals, the more important first."""
        return {**dict.fromkeys(cell.units, self.settings.hidden), "e": self.settings.vector}

    def bind(self, net: Circuit, dtype: str = "float32") -> Bound:
        """The task as this network reads it.

        Raises DataError where the network has not the inputs x and y alone or no loss L, where L compares y with
        nothing that could be read as scores or forecast, or where sizes differ from those of the data.
        """
        return Bound(self, net, dtype)

    # ---- how well it does -------------------------------------------------------------------------
    @abstractmethod
    def totals(self, batch: Batch, scores: Array, loss: str) -> Totals:
        """Sums over a batch; ``loss`` says how the scores are meant: cross_entropy, nll or mse."""

    @abstractmethod
    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        """Totals as they are reported, per item."""

    @abstractmethod
    def predict(self, bound: Bound, reader: Any, weights: Mapping[str, Array], given: Any) -> Any:
        """What the network makes of something new."""

    # ---- what a run keeps -------------------------------------------------------------------------
    @abstractmethod
    def save(self) -> dict[str, Any]:
        """All but the data, as plain JSON: the task's name, vocabularies, labels, normalisation."""


def _agree(cell: Cell, sizes: Mapping[str, Any]) -> bool:
    """Whether sizes do not clash; some may be open."""
    try:
        infer_shapes(cell.system, sizes)
    except FreeSizesError:
        return True
    except LanguageError:
        return False
    return True


SPLIT = 2**64 - 1
"""The number of the pass, none of a run, that decides which sequences validate."""


def parts(items: Sequence[Item], share: float, what: str, source: Path) -> tuple[list[Item], list[Item]]:
    """Items for training and validation: a random choice that is the same in every run, whatever its seed.

    Raises DataError, with the ``source``, where a part would be empty.
    """
    cut = int(len(items) * share)
    if not 0 < cut < len(items):
        raise DataError(
            f"{source}: {len(items)} {what}{'s' * (len(items) != 1)} cannot be split {share:.0%} to"
            f" {1 - share:.0%}: each part needs at least one; give more, or a file for validation"
        )
    chosen = np.zeros(len(items), dtype=bool)
    chosen[shuffled(0, SPLIT).permutation(len(items))[:cut]] = True
    return [item for item, c in zip(items, chosen, strict=True) if c], [
        item for item, c in zip(items, chosen, strict=True) if not c
    ]


@contextmanager
def named(source: str) -> Iterator[None]:
    """Errors of data within it begin with where these come from."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


def digest_of(texts: Iterable[str]) -> str:
    """SHA-256 of texts, each ended by a line feed, in hexadecimal."""
    total = hashlib.sha256()
    for text in texts:
        total.update(text.encode() + b"\n")
    return total.hexdigest()


def names_of(kept: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of different names in what a run kept. Raises DataError where it is none."""
    found = kept.get(name)
    if not isinstance(found, list) or not found or len(set(map(str, found))) < len(found):
        raise DataError(f"expected a list of different {name}, got {found!r:.80}")
    if not all(isinstance(one, str) for one in found):
        raise DataError(f"expected {name} as texts, got {found!r:.80}")
    return tuple(found)
