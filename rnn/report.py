"""What a training run shows while it runs, and the pictures it leaves: progress, metrics, plots, Ctrl-C."""

from __future__ import annotations

import io
import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import folder

if TYPE_CHECKING:
    from ..graph.circuit import Circuit
    from .train import Step

BITS = 1.0 / math.log(2.0)
"""Bits in a nat."""


class Report:
    """Progress on standard error (a bar on a terminal, plain lines elsewhere) and the metrics of the run.

    ``say`` prints a line, ``step`` counts an update, ``validation`` notes a result; ``quiet`` prints nothing.
    """

    def __init__(self, place: Path, updates: int, batch: int, window: int, quiet: bool = False):
        self.place, self.updates, self.quiet = place, updates, quiet
        self._characters = batch * window
        self._bar: Any = None
        self._nats: list[float] = []
        self._since = time.perf_counter()

    def say(self, line: str) -> None:
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def step(self, step: Step, every: int) -> None:
        """Count an update; after the first and every ``every``, a line of metrics: the mean loss since."""
        self._nats.append(step.nats)
        if self._terminal():
            self._advance(step)
        if step.update != 1 and step.update % every and step.update != self.updates:
            return
        nats = math.fsum(self._nats) / len(self._nats)
        seconds = time.perf_counter() - self._since
        speed = len(self._nats) * self._characters / max(seconds, 1e-9)
        folder.append_metrics(
            self.place,
            {
                "update": step.update,
                "nats": nats,
                "bits": nats * BITS,
                "norm": step.norm,
                "rate": step.rate,
                "characters_per_second": round(speed),
            },
        )
        if not self._terminal():
            self.say(
                f"update {step.update:>5} of {self.updates}:"
                f" {nats:.3f} nats, {nats * BITS:.3f} bits a character,"
                f" gradient norm {step.norm:.2f}, {speed:,.0f} characters/s"
            )
        self._nats, self._since = [], time.perf_counter()

    def validation(self, update: int, nats: float) -> None:
        """Note the loss on the part of the text that is not trained on, in nats a character."""
        record = {"update": update, "validation_nats": nats, "validation_bits": nats * BITS}
        folder.append_metrics(self.place, record)
        self.say(f"validation after {update}: {nats:.4f} nats, {nats * BITS:.4f} bits a character")
        self._since = time.perf_counter()

    def _terminal(self) -> bool:
        return not self.quiet and sys.stderr.isatty()

    def _advance(self, step: Step) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=self.updates, unit=" updates", file=sys.stderr, dynamic_ncols=True)
        self._bar.set_postfix_str(
            f"{step.nats:.3f} nats, {step.nats * BITS:.3f} bits a character", refresh=False
        )
        self._bar.update(1)

    def close(self) -> None:
        """End the progress bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Interrupt:
    """Within it the first Ctrl-C only sets ``asked``, so that an update is finished; the second interrupts.

    Outside the main thread, where Python allows no signal handlers, it does nothing.
    """

    def __init__(self, report: Report):
        self.asked = False
        self._report = report
        self._former: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._report.say("Ctrl-C: finishing this update, then saving; once more to stop at once")

    def __exit__(self, *error: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)


def _bits(nats: Any) -> Any:
    return nats * BITS


def _nats(bits: Any) -> Any:
    return bits / BITS


def loss_plot(place: Path) -> Path:
    """Draw loss.svg from the metrics: training and validation in nats a character over the updates."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    metrics = folder.read_metrics(place)
    with rc_context({"svg.hashsalt": "bptt", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for key, label, colour, marker in (
            ("nats", "training", "#777777", ""),
            ("validation_nats", "validation", "#005A9C", "o"),
        ):
            points = [(record["update"], record[key]) for record in metrics if key in record]
            updates, nats = [point[0] for point in points], [point[1] for point in points]
            axes.plot(updates, nats, label=label, color=colour, marker=marker, markersize=4, linewidth=1.2)
        axes.set_xlabel("update")
        axes.set_ylabel("nats a character")
        bits = axes.secondary_yaxis("right", functions=(_bits, _nats))
        bits.set_ylabel("bits a character")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        image = io.BytesIO()
        figure.savefig(image, format="svg", metadata={"Date": None})
    folder.write(place / folder.LOSS, image.getvalue())
    return place / folder.LOSS


def pictures(net: Circuit, place: Path, say: Callable[[str], None]) -> None:
    """Draw circuit.svg and unrolled.svg; where Graphviz is missing, ``say`` so and go on without them."""
    from ..graph import draw_circuit, draw_unrolled

    try:
        folder.write(place / folder.CIRCUIT, draw_circuit(net).svg)
        folder.write(place / folder.UNROLLED, draw_unrolled(net, steps=4).svg)
    except RuntimeError as error:
        say(f"no pictures: {error}")
