"""What a run is at one update: its weights, all that training needs to go on, and the network itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import Vocabulary
from .folder import (
    CONFIGURATION,
    EQUATIONS,
    FORMAT,
    WEIGHTS,
    RunError,
    damaged,
    read_configuration,
    read_text,
    read_vocabulary,
    write,
)
from .optim import Arrays

if TYPE_CHECKING:
    from ..graph.circuit import Circuit
    from .generate import Score


@dataclass
class Saved:
    """All that a run is at one update: enough to generate from it, and to go on with it."""

    update: int
    weights: Arrays
    optimiser: Arrays = field(default_factory=dict)
    carried: Arrays = field(default_factory=dict)


def _digest(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def save(folder: Path, saved: Saved) -> None:
    """Replace weights.safetensors. Raises RunError where it cannot be written; the old one is untouched."""
    from safetensors.numpy import save as serialise

    arrays: Arrays = {
        **saved.weights,
        **{f"optimiser.{name}": a for name, a in saved.optimiser.items()},
        **{f"carried.{name}": a for name, a in saved.carried.items()},
    }
    arrays = {name: np.ascontiguousarray(a).reshape(np.shape(a)) for name, a in arrays.items()}
    about = json.dumps({"format": FORMAT, "update": saved.update, "sha256": _digest(arrays)})
    # one entry: safetensors writes several in an order that changes, and equal runs give equal files
    write(folder / WEIGHTS, serialise(arrays, metadata={"bptt": about}))


def load_weights(folder: Path) -> Saved:
    """weights.safetensors. Raises RunError where it is missing, cut short, or altered."""
    from safetensors import SafetensorError, safe_open

    path = folder / WEIGHTS
    if not path.is_file():
        raise RunError(f"{path}: expected the weights of the run, there is no such file; train anew")
    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("bptt", "{}"))
            arrays: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(path, "a safetensors file", error) from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise damaged(path, f'"format": {FORMAT} in the header', about)
    update = about.get("update")
    if not isinstance(update, int) or update < 0:
        raise damaged(path, "the number of its update in the header", repr(update))
    if about.get("sha256") != _digest(arrays):
        raise damaged(path, f"the checksum {str(about.get('sha256'))[:12]}…", f"{_digest(arrays)[:12]}…")
    saved = Saved(update, {})
    for name, array in arrays.items():
        kind, dot, rest = name.partition(".")
        if dot:
            {"optimiser": saved.optimiser, "carried": saved.carried}.get(kind, {})[rest] = array
        else:
            saved.weights[name] = array
    return saved


def fit_shapes(folder: Path, weights: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """The weights, in the order of ``shapes``. Raises RunError where a name or a shape differs."""
    path = folder / WEIGHTS
    got: dict[str, tuple[int, ...] | None] = {name: array.shape for name, array in weights.items()}
    for name in (*shapes, *weights):
        if shapes.get(name) != got.get(name):
            expected = (
                f"for {name}, by {EQUATIONS} and {CONFIGURATION}, the shape {shapes.get(name, 'of none')}"
            )
            raise damaged(path, expected, got.get(name, "none"))
    return {name: weights[name] for name in shapes}


# -- runs ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Run:
    """A trained network: what ``rnn.load`` and ``rnn.fit`` give."""

    folder: Path
    configuration: dict[str, Any]
    vocabulary: Vocabulary
    net: Circuit
    weights: Arrays
    update: int

    def generate(
        self, length: int = 500, *, temperature: float = 1.0, seed: int = 0, prompt: str = ""
    ) -> str:
        """``prompt`` and ``length`` characters more: see ``generate.generate``."""
        from .generate import generate

        return generate(self, length, temperature=temperature, seed=seed, prompt=prompt)

    def score(self, text: str) -> Score:
        """How probable the network finds a text, in nats: see ``generate.score``."""
        from .generate import score

        return score(self, text)

    @cached_property
    def program(self) -> Any:
        """The inference program, compiled when it is first used."""
        from .generate import inference

        return inference(self.net, self.configuration["settings"].get("target", "cpu"))


def load(run: str | Path) -> Run:
    """Read a run folder. Nothing in it is executed.

    Raises RunError where the folder is none of a run, or a file in it is missing, damaged, or of a newer
    version of bptt; the message names the file, what was expected, what came, and what helps.
    """
    folder = Path(run)
    configuration = read_configuration(folder)
    vocabulary = read_vocabulary(folder, configuration)
    saved = load_weights(folder)
    text = read_text(folder, EQUATIONS, configuration)
    from .define import define

    try:
        net = define(text, name=configuration["network"].get("name", "network"))(**configuration["sizes"])
    except (ValueError, TypeError) as error:
        raise damaged(folder / CONFIGURATION, f"sizes that fit {EQUATIONS}", error) from error
    symbols = net.symbols.get("x")
    if symbols != len(vocabulary):
        raise damaged(folder / CONFIGURATION, f"x = {len(vocabulary)}, the size of the vocabulary", symbols)
    weights = fit_shapes(folder, saved.weights, net.params)
    return Run(folder, configuration, vocabulary, net, weights, saved.update)
