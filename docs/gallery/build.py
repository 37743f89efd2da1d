"""Build the gallery: the pictures of every cell as SVG, and the page that shows them.

    python docs/gallery/build.py [--into FOLDER] [cell …]

Running it twice gives the same bytes. With names only the pictures of these cells are drawn, and no page.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from bptt import graph, rnn
from bptt.graph.circuit import Circuit
from bptt.graph.draw import Drawing, graphviz_version
from bptt.rnn.cells import CELLS

HERE = Path(__file__).parent
PICTURES: Mapping[str, Callable[[Circuit], Drawing]] = {
    "circuit": lambda net: graph.draw_circuit(net),
    "operations": lambda net: graph.draw_circuit(net, operations=True),
    "unrolled": lambda net: graph.draw_unrolled(net, steps=3),
}
_NORMS = 0.6 ** np.arange(7, -1, -1)

#: More ways to draw: file name -> heading, the call, the picture.
MORE: Mapping[str, tuple[str, str, Callable[[], Drawing]]] = {
    "gradient.elman": (
        "The gradient",
        "graph.draw_unrolled(net, steps=4, grad=True)",
        lambda: graph.draw_unrolled(net("elman"), steps=4, grad=True),
    ),
    "gradient.seq2seq": (
        "The gradient through a computed start",
        'graph.draw_unrolled(net, steps={"s": 3, "t": 3}, grad=True)',
        lambda: graph.draw_unrolled(net("seq2seq"), steps=3, grad=True),
    ),
    "norms.elman": (
        "A gradient that vanishes",
        'graph.draw_unrolled(net, steps=8, norms={"h": values})',
        lambda: graph.draw_unrolled(net("elman"), steps=8, norms={"h": _NORMS}),
    ),
    "long.elman": (
        "A hundred steps",
        "graph.draw_unrolled(net, steps=100)",
        lambda: graph.draw_unrolled(net("elman"), steps=100),
    ),
    "unrolled_operations.lstm": (
        "Every operation of three steps",
        "graph.draw_unrolled(net, steps=3, operations=True)",
        lambda: graph.draw_unrolled(net("lstm"), steps=3, operations=True),
    ),
    "unrolled_operations.attention": (
        "Every operation of a decoder that looks at its encoder",
        'graph.draw_unrolled(net, steps={"s": 3, "t": 2}, operations=True)',
        lambda: graph.draw_unrolled(net("attention"), steps={"s": 3, "t": 2}, operations=True),
    ),
    "adjoint.elman": (
        "The adjoint is a circuit too",
        'graph.draw_circuit(graph.grad(net, "L"))',
        lambda: graph.draw_circuit(graph.grad(net("elman"), "L")),
    ),
}

#: Cells of cells: file name -> heading, how it is made, the circuit.
COMPOSED: Mapping[str, tuple[str, str, Callable[[], Circuit]]] = {
    "deep": (
        "A stacked bidirectional LSTM with residual connections",
        "rnn.stack(rnn.residual(rnn.bidirectional(rnn.lstm)), 2)(h_fw=2, h_bw=2, o=5)",
        lambda: rnn.stack(rnn.residual(rnn.bidirectional(rnn.lstm)), 2)(h_fw=2, h_bw=2, o=5),
    ),
    "pair": (
        "An encoder of both directions, and a decoder that looks at it",
        (
            "rnn.encoder_decoder(rnn.bidirectional(rnn.gru), rnn.gru, attention=True)"
            "(x=3, h_fw_enc=2, h_bw_enc=2, h_dec=4, Y=(5, 2))"
        ),
        lambda: rnn.encoder_decoder(rnn.bidirectional(rnn.gru), rnn.gru, attention=True)(
            x=3, h_fw_enc=2, h_bw_enc=2, h_dec=4, Y=(5, 2)
        ),
    ),
}
_OF_COMPOSED = ("circuit", "unrolled")

HEAD = """\
# Gallery

Every cell of `bptt cells`: its equations, its circuit with one node a signal (a black square is a delay of one
step, a hollow one an advance), the circuit with every operation, and the network unrolled over three steps.

```python
from bptt import graph, rnn

net = rnn.lstm(x=3, h=4, o=5)
graph.draw_circuit(net).save("lstm.svg")                        # or .png, .pdf, .dot
graph.draw_circuit(net, operations=True)
graph.draw_unrolled(net, steps=3)
```

`python docs/gallery/build.py` draws all of this again; drawn with Graphviz {version}.
"""


def net(name: str) -> Circuit:
    """A cell at the small sizes of its recipe."""
    return CELLS[name].cell(name)(**CELLS[name].sizes)


def draw(names: Iterable[str], folder: Path) -> list[Path]:
    """Draw the pictures of these cells; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    circuits = [(name, net(name)) for name in names]
    return [
        picture(circuit).save(folder / f"{name}.{kind}.svg")
        for name, circuit in circuits
        for kind, picture in PICTURES.items()
    ]


def page(version: str) -> str:
    """The text of the index."""
    parts = [HEAD.format(version=version)]
    parts.append("| cell | what it is |\n|---|---|\n" + "".join(map(_row, CELLS)))
    parts.append("Below the cells: [cells of cells](#cells-of-cells), [more ways to draw](#more-ways-to-draw).\n")
    parts += [_section(name) for name in CELLS]
    parts.append("## Cells of cells\n")
    parts += [_composed(name) for name in COMPOSED]
    parts.append("## More ways to draw\n")
    for name, (heading, call, _) in MORE.items():
        cell = name.partition(".")[2]
        parts.append(f"### {heading}\n\n`{call}` of [{cell}](#{cell})\n\n![{heading}](pictures/{name}.svg)\n")
    return "\n".join(parts)


def draw_composed(folder: Path) -> list[Path]:
    """Draw the cells of cells; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    circuits = {name: made() for name, (_, _, made) in COMPOSED.items()}
    return [
        PICTURES[kind](circuit).save(folder / f"composed.{name}.{kind}.svg")
        for name, circuit in circuits.items()
        for kind in _OF_COMPOSED
    ]


def _composed(name: str) -> str:
    heading, call, made = COMPOSED[name]
    images = "\n\n".join(f"![{kind}: {heading}](pictures/composed.{name}.{kind}.svg)" for kind in _OF_COMPOSED)
    return f"### {heading}\n\n`{call}`\n\n```\n{made()}\n```\n\n{images}\n"


def _row(name: str) -> str:
    return f"| [{name}](#{name}) | {CELLS[name].about} |\n"


def _section(name: str) -> str:
    recipe = CELLS[name]
    equations = textwrap.dedent(recipe.text).strip()
    images = "\n\n".join(f"![{kind} of {name}](pictures/{name}.{kind}.svg)" for kind in PICTURES)
    return f"## {name}\n\n{recipe.about}. {recipe.source}.\n\n```\n{equations}\n```\n\n{images}\n"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("cells", nargs="*", metavar="cell", help="only the pictures of these")
    options.add_argument("--into", type=Path, default=HERE, metavar="FOLDER")
    given = options.parse_args()
    unknown = [name for name in given.cells if name not in CELLS]
    if unknown:
        options.error(f"there is no cell {unknown[0]!r}; there are {', '.join(CELLS)}")
    files = draw(given.cells or CELLS, given.into / "pictures")
    if not given.cells:
        files += draw_composed(given.into / "pictures")
        files += [
            drawn().save(given.into / "pictures" / f"{name}.svg") for name, (_, _, drawn) in MORE.items()
        ]
        for old in set((given.into / "pictures").glob("*.svg")) - set(files):
            old.unlink()
        (given.into / "README.md").write_text(page(graphviz_version()), encoding="utf-8")
    print(f"{len(files)} pictures, {sum(f.stat().st_size for f in files) / 2**20:.1f} MB, in {given.into}")


if __name__ == "__main__":
    main()
