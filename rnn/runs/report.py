"""What a training run shows while it runs, and the metrics that it writes: progress, logs, Ctrl-C."""

from __future__ import annotations

import json
import math
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from . import folder

if TYPE_CHECKING:
    from ..optim import Arrays
    from ..trainer import Step

BITS = 1.0 / math.log(2.0)
"""Bits in a nat."""

WORDS = {
    "nats": "{:.4f} nats",
    "bits": "{:.4f} bits a {item}",
    "perplexity": "perplexity {:.4g}",
    "accuracy": "accuracy {:.2%}",
}
"""How measures are written; others as their name and four digits."""
SHOWN = ("accuracy", "rmse", "normalised_rmse")
"""The measure beside a loss that has no bits: the first that there is."""
SHORT = {"character": "char", "sentence": "sent."}
"""Items in the bar, which has 80 columns or fewer."""


def written(measures: Mapping[str, float], item: str) -> str:
    """Measures in words: "1.8300 nats, 2.6401 bits a character, perplexity 6.234"."""
    words = {name: WORDS.get(name, name.replace("_", " ") + " {:.4g}") for name in measures}
    return ", ".join(words[name].format(value, item=item) for name, value in measures.items())


def duration(seconds: float) -> str:
    """A time as it is said: "42 s", "3 min", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Report:
    """Progress (a bar on a terminal, plain lines elsewhere, JSON lines if asked for) and the logs of the run.

    place    the run folder
    updates  of the whole run; every: from one line of metrics to the next
    item     what the loss counts, in the singular
    nats     whether the loss is in nats an item, so that it has bits
    quiet    print nothing; as_json: one JSON object a line on standard output, and nothing else

    ``say`` prints a line, ``step`` counts an update, ``validation`` notes a result. metrics.jsonl holds what repeats
    exactly; speed.jsonl the times. What the next line of metrics adds up is saved with the run (``state``).
    """

    def __init__(
        self,
        place: Path,
        updates: int,
        every: int,
        item: str,
        nats: bool = False,
        quiet: bool = False,
        as_json: bool = False,
    ) -> None:
        self.place, self.updates, self.every, self.item, self.nats = place, updates, every, item, nats
        self.quiet, self.as_json = quiet or as_json, as_json
        self._bar: Any = None
        self._losses: list[float] = []
        self._latest: dict[str, float] = {}
        self._stepped: Step | None = None
        self.restart(0)

    def restart(self, update: int) -> None:
        """Begin to count the time: ``update`` updates were made before."""
        self._begin = self._since = self._warm = time.perf_counter()
        self._first, self._update, self._items, self._reported = update, update, 0, 0
        self._ended, self._validating = self._begin, 0.0

    # ---- what is said ------------------------------------------------------------------------------
    def say(self, line: str) -> None:
        """A line for people, on standard error."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def event(self, kind: str, record: Mapping[str, Any]) -> None:
        """A line for programs, on standard output."""
        if self.as_json:
            print(json.dumps(folder.plain({"event": kind, **record}), ensure_ascii=False), flush=True)

    # ---- what is noted -----------------------------------------------------------------------------
    def step(self, step: Step) -> None:
        """Count an update; after the first and every ``every``, a line of metrics: the mean loss since."""
        self._losses.append(step.loss)
        self._items += step.items
        self._update, self._stepped, self._ended = step.update, step, time.perf_counter()
        if step.update == self._first + 1:
            self._warm, self._validating = self._ended, 0.0
        if self._terminal():
            self._advance(1)
        if step.update != 1 and step.update % self.every and step.update != self.updates:
            return
        loss = math.fsum(self._losses) / len(self._losses)
        record: dict[str, Any] = {"update": step.update, "loss": loss}
        if self.nats:
            record["bits"] = loss * BITS
        record |= {"norm": step.norm, "rate": step.rate}
        folder.append(self.place / folder.METRICS, record)
        speed = self._speed()
        self._note_speed(step.update, speed)
        pace, shown = {}, ""
        if step.update > self._first + 1:  # the first update of a process waits for the compiler
            left = self._left()
            pace = {f"{self.item}s_per_second": round(speed), "seconds_left": round(left)}
            shown = f", {speed:,.0f} {self.item}s/s, {duration(left)} left"
        self.event("step", {**record, **pace})
        if not self._terminal():
            self.say(
                f"update {step.update:>5} of {self.updates}: {self._loss(loss)}, gradient norm {digits(step.norm)}"
                f"{self._validated('validation')}{shown}"
            )
        self._losses = []

    def validation(self, update: int, measures: Mapping[str, float]) -> None:
        """Note the measures on the part of the data that is not trained on."""
        record = {"update": update, **{f"validation_{name}": value for name, value in measures.items()}}
        folder.append(self.place / folder.METRICS, record)
        self.event("validation", record)
        shown = next((name for name in SHOWN if name in measures), list(measures)[-1])
        self._latest = {shown: measures[shown]}
        taken = time.perf_counter() - self._ended
        self._validating += taken
        self._since += taken
        self._ended += taken
        if self._bar is not None:
            self._advance(0)
        self.say(f"validation after {update}: {written(measures, self.item)}")

    def _loss(self, loss: float) -> str:
        return f"{loss:.3f} nats, {loss * BITS:.3f} bits a {self.item}" if self.nats else f"loss {loss:.4g}"

    def _validated(self, name: str) -> str:
        """The accuracy (or other measure) of the last validation, where the loss does not say it."""
        return "" if self.nats or not self._latest else f", {name} {written(self._latest, self.item)}"

    def _speed(self) -> float:
        """Items a second since this was last asked, without validation."""
        now = time.perf_counter()
        speed = (self._items - self._reported) / max(now - self._since, 1e-9)
        self._since, self._reported = now, self._items
        return speed

    def _left(self) -> float:
        """Seconds to the last update, if it goes on as it did since the first of this process."""
        done = self._update - self._first - 1
        return (time.perf_counter() - self._warm) / max(done, 1) * (self.updates - self._update)

    def _note_speed(self, update: int, speed: float) -> None:
        seconds = time.perf_counter() - self._begin
        record = {"update": update, "seconds": round(seconds, 3), "items_per_second": round(speed)}
        folder.append(self.place / folder.SPEED, record)

    # ---- what is saved -----------------------------------------------------------------------------
    def state(self) -> Arrays:
        """The losses since the last line of metrics."""
        return {"losses": np.array(self._losses, dtype=np.float64)}

    def load(self, state: Mapping[str, Any], update: int) -> None:
        """Go on after ``update`` updates with what ``state`` gave."""
        self._losses = [float(loss) for loss in state.get("losses", ())]
        self.restart(update)

    # ---- the bar -----------------------------------------------------------------------------------
    def _terminal(self) -> bool:
        return not self.quiet and sys.stderr.isatty()

    def _advance(self, updates: int) -> None:
        """Move the bar on; what does not fit beside it takes its place."""
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=self.updates,
                initial=self._update - 1,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="{n_fmt}/{total_fmt} |{bar}|",
            )
        shown = self._shown()
        count = f"{self._update}/{self.updates}"
        room = shutil.get_terminal_size().columns - len(count) - len(shown)
        self._bar.bar_format = "{n_fmt}/{total_fmt} " + ("|{bar}| {desc}" if room >= 10 else "{desc}")
        self._bar.set_description_str(shown, refresh=False)
        self._bar.update(updates)

    def _shown(self) -> str:
        """What stands beside the bar: loss, accuracy, gradient norm, items a second, time left."""
        step = self._stepped
        if step is None:
            return ""
        loss = f"{step.loss:.3f} nats, {step.loss * BITS:.3f} bits" if self.nats else f"loss {step.loss:.4g}"
        shown = f"{loss}{self._validated('val.')}, norm {digits(step.norm)}"
        done = step.update - self._first
        if done < 2:
            return shown
        seconds = max(self._ended - self._warm - self._validating, 1e-9)
        speed = self._items * (done - 1) / done / seconds
        item = SHORT.get(self.item, f"{self.item}s")
        return f"{shown}, {speed:,.0f} {item}/s, {duration(self._left())} left"

    def close(self) -> None:
        """End the progress bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def digits(norm: float) -> str:
    """A norm with two decimals, and a small one with two digits: 12.50, 0.50, 0.00012."""
    return f"{norm:.2f}" if norm >= 1 else f"{norm:#.2g}"


class Interrupt:
    """Within it the first Ctrl-C only sets ``asked``, so that an update is finished; the second interrupts.

    Outside the main thread, where Python allows no signal handlers, it does nothing.
    """

    def __init__(self, report: Report) -> None:
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
        with suppress(RuntimeError):  # it came in the middle of a line that was being written
            self._report.say("Ctrl-C: finishing this update, then saving; once more to stop at once")

    def __exit__(self, *error: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
