"""Tasks: what a network is trained for. A task knows the data, a default network, and how well it does.

How a training run uses one::

    task  = Task.of("train.conllu", settings)             # reads the data
    cell  = task.cell()                                   # the default network, or any other with x, y and L
    net   = cell(**task.sizes_for(cell))
    bound = task.bind(net, dtype="float32")               # raises DataError where they do not fit each other
    batch = bound.training[update]                        # inputs by name, as this network reads them
    reader = compiler.compile(bound.net, loss=None, returns=bound.returns, training=False)
    bound.validate(reader, weights)                       # {"nats": …, "accuracy": …}
    bound.predict(reader, weights, ["show", "me", "flights"])
    kept  = task.save()                                   # plain JSON: vocabularies, labels, normalisation
    again = Task.restore(kept)                            # predicts; has no data

What is trained on decides the vocabulary, the labels and the normalisation; validation data never do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..data import Array, Batch, Batches
from .settings import TaskSettings

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..define import Cell

Totals = dict[str, float]
"""Sums over items, in float64: those of several batches are added name by name."""


@dataclass(frozen=True)
class Main:
    """The measure that early stopping and the schedule watch, and whether less of it is better."""

    name: str
    less: bool = True


class Task(ABC):
    """What a network is trained for, on which data.

    name        language_model, tagger, classifier or forecaster
    item        what the loss counts, in the singular: "character", "word", "byte", "sentence", "value"
    main        the measure that is watched
    carried     whether a batch may go on where the one before ended (``Batch.kept``)
    training    batches by update; DataError where the task was restored without data
    validation  the batches of one pass over the validation part, in order; can be iterated again and again
    about       what a run notes of its data: source, sha256, numbers of items (plain scalars)
    """

    name: ClassVar[str]
    main: ClassVar[Main]
    item: str
    carried: bool
    training: Batches
    validation: Iterable[Batch]
    about: dict[str, Any]

    @classmethod
    def of(cls, data: str | Path | None, settings: TaskSettings, cache: Path | None = None) -> Task:
        """Read the data and decide what is learnt from them, unless ``settings.task`` says it.

        data   a file or folder; None: the prose that CPython carries. NPY files and CSV files of numbers are
               series, CoNLL-U is tagged, TSV, other CSV, lines "label sentence" and folders of one file a label
               are classified, any other text is continued
        cache  where the symbols of a text larger than ``settings.memory`` are kept between runs (a file that
               is made, or used again if it fits); None: a temporary file

        Raises DataError, which names the file, the line, what was expected, what came, and the mend.
        """
        raise NotImplementedError

    @staticmethod
    def restore(kept: Mapping[str, Any]) -> Task:
        """The task that ``save`` described, without data: it binds, predicts and scores.

        Raises DataError where ``kept`` is none that ``save`` gave.
        """
        raise NotImplementedError

    # ---- the network ------------------------------------------------------------------------------
    @abstractmethod
    def cell(self) -> Cell:
        """The default network, as equations with rules for initial values."""

    @abstractmethod
    def sizes_for(self, cell: Cell) -> dict[str, int]:
        """The sizes that the data and the settings give the cell: x, o, and e and h where it has them."""

    def bind(self, net: Circuit, dtype: str = "float32") -> Bound:
        """The task as this network reads it.

        Raises DataError where the network has no input x, no target y or no loss L, where L compares y with
        nothing that could be read as scores or forecast, or where sizes differ from those of the data.
        """
        raise NotImplementedError

    # ---- what a run keeps -------------------------------------------------------------------------
    @abstractmethod
    def save(self) -> dict[str, Any]:
        """All but the data, as plain JSON: the task's name, vocabularies, labels, normalisation."""


class Bound(ABC):
    """A task and the network that learns it.

    net         the network; where its loss compares y with an expression that has no name, with one equation
                more that names it
    returns     the signals that ``validate`` and ``predict`` read: what the reader must return
    training    batches as the network takes them: x as symbols or one-hot, numbers in the run's dtype
    validation  likewise
    """

    task: Task
    net: Circuit
    returns: tuple[str, ...]
    training: Batches
    validation: Iterable[Batch]

    @abstractmethod
    def totals(self, batch: Batch, values: Mapping[str, Array]) -> Totals:
        """Sums of a batch from what the reader returned: items, nats, correct, squared errors."""

    @abstractmethod
    def measures(self, totals: Mapping[str, float]) -> dict[str, float]:
        """Totals as they are reported: nats, bits, perplexity, accuracy, rmse and the like, per item."""

    @abstractmethod
    def validate(self, reader: Any, weights: Mapping[str, Array]) -> dict[str, float]:
        """The measures over the validation part, with state carried where batches go on."""

    @abstractmethod
    def predict(self, reader: Any, weights: Mapping[str, Array], given: Any, **options: Any) -> Any:
        """What the network makes of something new; each task says what it takes and gives."""
