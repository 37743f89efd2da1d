"""The training run: a character language model, its updates, and the folder that keeps them.

``language_model`` is the network, ``Trainer`` makes one update after the other, ``fit`` is the whole run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checkpoint, folder
from .checkpoint import Run, Saved
from .data import DataError, Stream, Symbols, Vocabulary, python_prose, read_text, split
from .generate import inference, stream_nats
from .optim import DECAYS, Adam, Arrays, clip, rate_at
from .report import Interrupt, Report, loss_plot, pictures

if TYPE_CHECKING:
    from ..graph.circuit import Circuit

LANGUAGE_MODEL = """\
e[t] = E[x[t]]                                       # the character's vector
f[t] = sigmoid(W_f @ h[t-1] + U_f @ e[t] + b_f)      # what to keep
i[t] = sigmoid(W_i @ h[t-1] + U_i @ e[t] + b_i)      # what to write
q[t] = sigmoid(W_q @ h[t-1] + U_q @ e[t] + b_q)      # what to read
g[t] = tanh(W_g @ h[t-1] + U_g @ e[t] + b_g)         # the candidate
c[t] = f[t] * c[t-1] + i[t] * g[t]
h[t] = q[t] * tanh(c[t])
o[t] = V @ h[t] + d                                  # a logit for every next character
L    = mean(cross_entropy(o[t], y[t]), over=t)
"""


class TrainingError(RuntimeError):
    """A training run that cannot go on."""


@dataclass(frozen=True)
class Settings:
    """What a run depends on besides its text; the same settings and text give the same weights, bit for bit.

    ``vector`` and ``hidden`` are sizes; ``batch`` rows are read in windows of ``window`` characters; the
    rate falls from ``rate`` by ``decay``; gradients longer than ``clip`` are scaled down to it; the first
    ``share`` of the text is trained on; metrics are written every ``report`` updates, the rest of the text is
    evaluated and the run is saved every ``validate`` updates. A sample of ``sample`` characters ends the run.
    """

    vector: int = 48
    hidden: int = 128
    batch: int = 16
    window: int = 64
    updates: int = 800
    rate: float = 0.015
    decay: str = "cosine"
    clip: float = 1.0
    seed: int = 0
    share: float = 0.9
    report: int = 10
    validate: int = 200
    sample: int = 500
    target: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("vector", "hidden", "batch", "window", "updates", "report", "validate"):
            _expect(name, getattr(self, name), int, lambda v: v >= 1, "a whole number of at least 1")
        for name in ("seed", "sample"):
            _expect(name, getattr(self, name), int, lambda v: v >= 0, "a whole number of at least 0")
        for name in ("rate", "clip"):
            _expect(
                name, getattr(self, name), (int, float), lambda v: 0 < v < math.inf, "a finite number above 0"
            )
        _expect("share", self.share, (int, float), lambda v: 0 < v < 1, "a number between 0 and 1")
        _expect("decay", self.decay, str, lambda v: v in DECAYS, f"one of {', '.join(DECAYS)}")
        _expect("target", self.target, str, lambda v: v in ("cpu", "interpret"), "cpu or interpret")

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Settings:
        """Settings from a table. DataError names one that is unknown or makes no sense."""
        known = {f.name for f in fields(cls)}
        for name in table:
            if name not in known:
                raise DataError(f"there is no setting {name!r}; there are {', '.join(sorted(known))}")
        return cls(**table)


def _expect(name: str, value: Any, kind: Any, holds: Any, expected: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not holds(value):
        raise DataError(f"setting {name}: expected {expected}, got {value!r}")


def _unit_normal(shape: tuple[int, ...], random: np.random.Generator) -> Any:
    return random.normal(size=shape)


def language_model(symbols: int, vector: int = 48, hidden: int = 128) -> Circuit:
    """An LSTM that reads symbols x [T, B] and predicts the next, y; loss L in nats a character.

    Its forget gates start open (b_f = 1; Jozefowicz, Zaremba and Sutskever 2015), so that the state is kept
    until the network has learnt what to forget. The characters' vectors start with entries of unit size: of
    a row that is looked up, not multiplied, nothing is summed.
    """
    from .define import define

    cell = define(LANGUAGE_MODEL, name="language_model", init={"b_f": 1.0, "E": _unit_normal})
    return cell(x=symbols, e=vector, h=hidden, o=symbols)


@dataclass(frozen=True)
class Step:
    """One update: its number from 1, loss before it in nats a character, gradient norm before clipping."""

    update: int
    nats: float
    norm: float
    rate: float


@dataclass
class Trainer:
    """Makes updates: window, loss and gradient, clip, Adam; the state goes from each window to the next.

    ``program`` is a compiled training program with inputs x and y; ``weights`` are changed in place.
    """

    program: Any
    weights: Arrays
    stream: Stream
    settings: Settings
    optimiser: Adam = field(default_factory=Adam)
    carried: Arrays | None = None
    update: int = 0

    def step(self) -> Step:
        """The next update. Raises TrainingError, all left as it was, if loss or gradient is not finite."""
        window = self.stream[self.update]
        initial = None if window.fresh else self.carried
        out = self.program(
            self.weights, x=window.x, y=window.y, initial=initial, start=window.start, seed=self.update
        )
        norm = clip(out.grad, self.settings.clip)
        if not (math.isfinite(out.loss) and math.isfinite(norm)):
            raise TrainingError(self._not_finite(float(out.loss), norm, out.grad))
        rate = rate_at(self.update, self.settings.updates, self.settings.rate, self.settings.decay)
        self.optimiser.step(self.weights, out.grad, rate)
        self.carried = out.final
        self.update += 1
        return Step(self.update, float(out.loss), norm, rate)

    def _not_finite(self, loss: float, norm: float, gradients: Arrays) -> str:
        where = [name for name, gradient in gradients.items() if not np.isfinite(gradient).all()]
        which = f" (not finite: {', '.join(where)})" if where else ""
        return (
            f"update {self.update + 1}: the loss is {loss} and the gradient norm {norm}{which};"
            " it was stopped before it reached the weights; try a smaller rate or a smaller clip"
        )

    def saved(self) -> Saved:
        """All that is needed to generate, or to go on."""
        return Saved(self.update, self.weights, self.optimiser.state(), dict(self.carried or {}))


def fit(
    text: str | Path | None = None,
    *,
    run: str | Path | None = None,
    settings: Settings | None = None,
    quiet: bool = False,
    **changes: Any,
) -> Run:
    """Train a character language model on a text file and keep it in a run folder.

    ``text`` is the path of a UTF-8 file; without it, the prose that CPython carries. ``run`` is a new or
    empty folder; without it, runs/NAME-1 or the next free number. Single settings may be given by name.
    Ctrl-C finishes the update, saves, and returns the run so far; a second one stops at once.

    Raises DataError (text or settings), RunError (folder), TrainingError (loss or gradient not finite; the
    folder then keeps the last good weights).
    """
    chosen = Settings.of({**asdict(settings or Settings()), **changes})
    characters = python_prose() if text is None else read_text(text)
    source = "pydoc_data.topics" if text is None else str(text)
    before, after = split(characters, chosen.share)
    vocabulary = Vocabulary.of(before)
    stream = Stream(vocabulary.symbols(before), chosen.batch, chosen.window)
    net = language_model(len(vocabulary), chosen.vector, chosen.hidden)
    about = {"source": source, "characters": len(characters), "sha256": folder.checksum(characters)}
    place = _begin(run, "python" if text is None else Path(text).stem, net, vocabulary, chosen, about)
    weights = net.init(seed=chosen.seed)
    report = Report(place, chosen.updates, chosen.batch, chosen.window, quiet)
    report.say(
        f"{source}: {len(characters):,} characters, {len(vocabulary)} symbols,"
        f" {sum(w.size for w in weights.values()):,} weights; run {place}"
    )
    return _train(place, net, vocabulary, chosen, weights, stream, vocabulary.symbols(after), report)


def _begin(
    run: str | Path | None,
    stem: str,
    net: Circuit,
    vocabulary: Vocabulary,
    settings: Settings,
    about: Mapping[str, Any],
) -> Path:
    """Claim the run folder and write what does not change: configuration, equations, vocabulary."""
    listing = folder.vocabulary_file(vocabulary)
    configuration = {
        "network": {"name": net.name},
        "sizes": {"x": len(vocabulary), "e": settings.vector, "h": settings.hidden, "o": len(vocabulary)},
        "settings": asdict(settings),
        "text": dict(about),
        "checksums": {
            folder.EQUATIONS: folder.checksum(LANGUAGE_MODEL),
            folder.VOCABULARY: folder.checksum(listing),
        },
    }
    place = folder.create(run, stem, configuration)
    folder.write(place / folder.EQUATIONS, LANGUAGE_MODEL)
    folder.write(place / folder.VOCABULARY, listing)
    return place


def _train(
    place: Path,
    net: Circuit,
    vocabulary: Vocabulary,
    settings: Settings,
    weights: Arrays,
    stream: Stream,
    rest: Symbols,
    report: Report,
) -> Run:
    """Compile, train, keep: from here on the folder holds a run that can be loaded, whatever happens."""
    from .. import compiler

    checkpoint.save(place, Saved(0, weights))
    pictures(net, place, report.say)
    report.say("compiling")
    trainer = Trainer(compiler.compile(net, loss="L", target=settings.target), weights, stream, settings)
    run = Run(place, folder.read_configuration(place), vocabulary, net, weights, 0)
    run.program = inference(net, settings.target)
    try:
        with Interrupt(report) as interrupt:
            while trainer.update < settings.updates and not interrupt.asked:
                report.step(trainer.step(), settings.report)
                if trainer.update % settings.validate == 0 or trainer.update == settings.updates:
                    checkpoint.save(place, trainer.saved())
                    nats = stream_nats(run.program, weights, rest) / (len(rest) - 1)
                    report.validation(trainer.update, nats)
    except TrainingError as error:
        checkpoint.save(place, trainer.saved())
        raise TrainingError(f"{error}; {place} keeps the weights of update {trainer.update}") from error
    except KeyboardInterrupt:
        kept = checkpoint.load_weights(place).update
        report.say(f"stopped at once; {place} keeps what was saved last, the weights of update {kept}")
        raise
    finally:
        report.close()
    run.update = trainer.update
    _finish(run, trainer, report, settings.updates)
    return run


def _finish(run: Run, trainer: Trainer, report: Report, updates: int) -> None:
    """The last save, the plot, a sample, and what was kept."""
    checkpoint.save(run.folder, trainer.saved())
    loss_plot(run.folder)
    if trainer.update < updates:
        report.say(f"stopped after update {trainer.update} of {updates}; {run.folder} keeps its weights")
    else:
        sample = run.generate(trainer.settings.sample, seed=trainer.settings.seed)
        folder.write(run.folder / folder.SAMPLE, sample + "\n")
        report.say(f"{sample}\n\n{run.folder} holds the run; go on with: bptt generate {run.folder}")
