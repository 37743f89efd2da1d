"""Public names of a package that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any


class LazyPackage(ModuleType):
    """A package that looks its public names up in its table, ``_public``: name -> module that holds it.

    Names that are not in the table are asked of the module ``_others``, if there is one; its own name is that module.

    A function may be called like its module (``graph.grad`` of ``graph/grad.py``). Importing that module
    would bind its name in the package to the module; here the function keeps its name.
    """

    _public: dict[str, str]
    _others: str | None

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__["_public"].get(name)
        if module is None and not name.startswith("_"):
            module = self.__dict__["_others"]
        if module is None:
            raise AttributeError(f"{self.__name__} has no name {name!r}; it has {', '.join(self.__all__)}")
        found = import_module(f"{self.__name__}.{module}")
        value = found if name == module == self.__dict__["_others"] else getattr(found, name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and self.__dict__["_public"].get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> Iterable[str]:
        return sorted({*self.__dict__, *self.__dict__["_public"]})


def public(package: str, modules: dict[str, str], others: str | None = None) -> list[str]:
    """Make the package look its names up in ``modules``, "module" -> "its public names"; return the names.

    ``others`` is the module that is asked for a name that no module in the table has.
    """
    table = {name: module for module, names in modules.items() for name in names.split()}
    module = sys.modules[package]
    module.__dict__["_public"] = table
    module.__dict__["_others"] = others
    module.__class__ = LazyPackage
    return sorted(table)
