"""Which network a run trains: found by name, file or object, and described in run.toml, to be found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graph.errors import LanguageError, did_you_mean
from ..data import DataError, read_text
from ..define import Cell, define
from .files import RunError, damaged
from .folder import CONFIGURATION, EQUATIONS

if TYPE_CHECKING:
    from ...graph.circuit import Circuit
    from ..tasks import Task

Sizes = dict[str, int | tuple[int, ...]]


@dataclass(frozen=True)
class Network:
    """A cell, where it came from ("" is the task's own), and sizes that it has by itself."""

    cell: Cell
    origin: str
    sizes: Mapping[str, int | tuple[int, ...]]

    def starting(self, init: Mapping[str, Any]) -> Network:
        """The same network with other initial values. Raises DataError for a name that is no parameter of it."""
        try:
            return replace(self, cell=self.cell.starting(init))
        except LanguageError as error:
            raise DataError(str(error)) from error

    def bound(self, task: Task, given: Mapping[str, int | tuple[int, ...]]) -> tuple[Circuit, Sizes]:
        """The circuit at the sizes of the data and the settings, then those given, and the sizes.

        Raises DataError for equations without x, y or L, and where sizes clash or stay open.
        """
        read = self.cell.inputs
        if "L" in self.cell.signals and not {"x", "y"} <= set(read):
            raise DataError(f"{self.cell.name}: expected the inputs x and y, got {', '.join(read) or 'none'}")
        sizes: Sizes = task.sizes_for(self.cell, given)
        try:
            return self.cell(**sizes), sizes
        except LanguageError as error:
            said = DataError(f"{error}\n  here: a size is given as --size NAME=N, or sizes={{NAME: N}}")
            said.__cause__ = error
        sizes = {**self.sizes, **sizes}
        try:
            return self.cell(**sizes), sizes
        except LanguageError:
            raise said from said.__cause__


def find_network(cell: str | Path | Cell | None, task: Task) -> Network:
    """The task's own network (None or ""), one that ``bptt cells`` lists, a file of equations, or a cell.

    Raises DataError for a name that is neither, and for equations in a file that mean nothing.
    """
    from ..cells import CELLS
    from ..cells import cell as listed

    if cell is None or cell == "":
        return Network(task.cell(), "", {})
    if isinstance(cell, Cell):
        return Network(cell, cell.name, {})
    if not isinstance(cell, (str, Path)):
        raise TypeError(
            f"cell: expected a name, a file of equations or a cell, got {type(cell).__name__};"
            " a cell has open sizes: give it without calling it, and its sizes as sizes={…}"
        )
    if isinstance(cell, str) and cell in CELLS:
        return Network(listed(cell), cell, CELLS[cell].sizes)
    path = Path(cell)
    if not (path.suffix or path.exists()):
        near = did_you_mean(str(cell), CELLS)
        mend = f"; {near}" if near else ""
        raise DataError(f"{str(cell)!r} is neither a cell that bptt cells lists nor a file of equations{mend}")
    try:
        return Network(define(read_text(path), name=path.stem), str(path), {})
    except LanguageError as error:
        raise DataError(f"{path}: {error}") from error


# ---- in run.toml ---------------------------------------------------------------------------------
def described(network: Network) -> dict[str, dict[str, Any]]:
    """What run.toml holds of a network: its name, what was declared, and its rules for initial values."""
    cell, system = network.cell, network.cell.system
    functions = [name for name, rule in cell.init_rules.items() if callable(rule)]
    static = [name for name in system.inputs if not system.axes.get(name)]
    about = {
        "name": cell.name,
        "cell": network.origin,
        "inputs": static,
        "constants": sorted(system.constants),
        "functions": functions,
    }
    rules = {name: rule for name, rule in cell.init_rules.items() if name not in functions}
    return {"network": about, "init": {name: r if isinstance(r, str) else float(r) for name, r in rules.items()}}


def equations_of(network: Network) -> str:
    """The content of equations.txt, with the comments."""
    written = network.cell.equations
    functions = str(written).split("\n")[: len(written.functions)]
    noted = [f"{line}  # {note}" if note else line for line, note in written.lines()]
    return "\n".join([*functions, *noted]) + "\n"


def restored(path: Path, configuration: Mapping[str, Any], text: str, again: bool = False) -> Cell:
    """The cell of a configuration at ``path`` from its equations.

    again: its initial values are needed. Raises RunError where the configuration is damaged, and, if they are
    needed, where some came from functions, which a file does not keep.
    """
    about = configuration["network"]
    rules = configuration.get("init", {})
    if again and about.get("functions"):
        raise RunError(
            f"{path}: the initial values of {', '.join(about['functions'])} came from functions, which are not kept;"
            " train it again from Python: rnn.fit(…, cell=…)"
        )
    try:
        return define(
            text,
            name=about.get("name", "network"),
            inputs=about.get("inputs", ()),
            constants=about.get("constants", ()),
            init=rules,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged(path, f"a [network] that fits {EQUATIONS}", error) from error


def sized(folder: Path, configuration: Mapping[str, Any], cell: Cell) -> Circuit:
    """The circuit at the sizes of a run's configuration. Raises RunError where they do not fit."""
    sizes = {name: tuple(n) if isinstance(n, list) else n for name, n in configuration["sizes"].items()}
    try:
        return cell(**sizes)
    except (ValueError, TypeError) as error:
        raise damaged(folder / CONFIGURATION, f"sizes that fit {EQUATIONS}", error) from error
