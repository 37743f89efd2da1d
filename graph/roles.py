"""Roles: which names are signals, inputs, parameters, constants and symbols, and what each bracket reads.

Indexed by time and never defined: an input. Not indexed and never defined: a parameter, unless declared a
static input or a constant. In a symbol index, or second in cross_entropy and nll: a symbol. A name in two
roles is an error; what is declared wins over what would be inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .errors import LanguageError, did_you_mean, errors_at, listed
from .functions import FUNCTIONS
from .indices import Moment, moment, shown
from .inline import Inliner
from .language import RESERVED, RUN_TIME, Equations, Statement, Term, in_brackets, walk
from .rewrite import leave_out_missing_targets, rewrite_brackets
from .symbols import find_symbols
from .system import Boundary, Definition, System
from .uses import Uses


def find_roles(
    equations: Equations,
    name: str = "net",
    inputs: Iterable[str] = (),
    constants: Iterable[str] = (),
    opaque: Iterable[str] = (),
) -> System:
    """The system of equations with its names' roles.

    Raises LanguageError for a name in two roles, a signal that is defined twice, a bad index, an unknown
    function, a reserved name, a delayed symbol without a value before the start.
    """
    return _Roles(equations, name, _names(inputs), _names(constants), _names(opaque)).system


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """Declared names; one string is one name, or several separated by spaces."""
    return tuple(names.split()) if isinstance(names, str) else tuple(names)


class _Roles:
    def __init__(
        self,
        equations: Equations,
        name: str,
        inputs: tuple[str, ...],
        constants: tuple[str, ...],
        opaque: tuple[str, ...],
    ) -> None:
        self.system = system = System(name, constants=frozenset(constants), opaque=frozenset(opaque))
        self.declared = inputs
        self.uses = Uses(system.axes)
        if not equations.statements:
            raise LanguageError(
                "there is no equation",
                expected="name[t] = expression",
                got="nothing",
                mend="write one equation a line",
            )
        self.statements = self._inlined(equations)
        self._definitions()
        for statement in self.statements:
            with errors_at(statement.where):
                self.uses.read(statement.value)
        self._inputs()
        self._boundaries()
        self._reads()
        self._parameters()
        self._symbols()
        self._declared()
        if self.uses.second is not None and "s" in system.axes:
            raise LanguageError(
                "s is in two roles: a signal and the second index",
                self.uses.second.where,
                got=str(self.uses.second),
                mend="give the signal another name",
            )

    def _inlined(self, equations: Equations) -> list[Statement]:
        inliner = Inliner(equations.functions, self.system.opaque)
        found = []
        for s in equations.statements:
            with errors_at(s.where):
                found.append(replace(s, value=inliner.expand(s.value)))
        return found

    # ---- what is defined ----
    def _definitions(self) -> None:
        self.outside: list[tuple[Statement, list[Moment]]] = []
        for s in self.statements:
            self._refuse_reserved(s.name, s)
            self._refuse_opaque(s)
            moments = [self._target_moment(s, i) for i in s.items]
            if any(m.kind != "step" or m.offset for m in moments):
                self.outside.append((s, moments))
                continue
            axes = tuple(str(m.axis) for m in moments)
            if "s" in axes:
                self.uses.second_index(s.items[axes.index("s")])
            if len(set(axes)) < len(axes):
                raise LanguageError(
                    f"{s.name} has the index {axes[0]} twice",
                    s.where,
                    expected=f"{s.name}[t], or {s.name}[t, s] with a second sequence",
                    got=str(s)[:100],
                    mend=f"write {s.name}[{axes[0]}]",
                )
            old = self.system.definitions.get(s.name)
            if old is not None:
                raise LanguageError(
                    f"{s.name} is defined twice",
                    s.where,
                    expected="one equation a name",
                    got=f"another one in line {old.statement.where.line}: {old.statement}"[:100],
                    mend="sum both right sides in one equation, or choose by where(t == …, a, b)",
                )
            self.system.definitions[s.name] = Definition(s.name, axes, s)
            self.system.axes[s.name] = axes

    def _target_moment(self, s: Statement, item: Term) -> Moment:
        found = moment(item)
        if found is None:
            raise LanguageError(
                f"{s.name}[{in_brackets(item)}] cannot be defined",
                s.where,
                expected="an index t or s, 0, -1, …, 1, T+1",
                got=in_brackets(item),
                mend=f"the index of time is t (of a second sequence s): write {s.name}[t]"
                if item.head == "name"
                else "one equation holds for all symbols: use E[x[t]], where(x[t] == 2, a, b)",
            )
        if found.kind == "step" and found.offset:
            raise LanguageError(
                f"{s.name}[{in_brackets(item)}] cannot be defined",
                s.where,
                expected=f"{s.name}[{found.axis}] = …",
                got=f"{s.name}[{in_brackets(item)}]",
                mend=f"write {s.name}[{found.axis}] = …, and on the right side {found.axis}{-found.offset:+d} for "
                f"{found.axis}",
            )
        return found

    def _refuse_reserved(self, name: str, s: Statement) -> None:
        # s[t] may be a signal in a system without a second index
        reserved = RESERVED - {"s"} if s.items else RESERVED
        if name in reserved or name in RUN_TIME:
            why = "an argument of the compiled program" if name in RUN_TIME else "an index of the language"
            raise LanguageError(f"{name} is reserved: it is {why}", s.where, mend=f"call it {name}_")

    def _refuse_opaque(self, s: Statement) -> None:
        if s.name in self.system.opaque:
            raise LanguageError(
                f"{s.name} is in two roles: an open function, {s.name}(…), and an equation",
                s.where,
                expected=f"a definition with its arguments, {s.name}(…) = …",
                got=str(s)[:100],
                mend="write its arguments, or give the equation another name",
            )

    # ---- inputs, and what brackets read ----
    def _inputs(self) -> None:
        """Names that are indexed by time and never defined, with their axes."""
        system = self.system
        for name, uses in self.uses.indexed.items():
            if name in system.definitions:
                continue
            found = [axes for u in uses if (axes := _axes_read(u))]
            if not found:
                continue
            axes = max(found, key=len)
            for u in uses:
                if (other := _axes_read(u)) and not set(other) <= set(axes):
                    raise LanguageError(
                        f"{name} is read with the indices {', '.join(other)} and with {', '.join(axes)}",
                        u.where,
                        mend=f"two sequences are two inputs: give {u} another name",
                    )
            self._refuse_input(name, uses[0])
            system.inputs[name] = uses[0]
            system.axes[name] = axes

    def _refuse_input(self, name: str, use: Term) -> None:
        if name in RUN_TIME:
            raise LanguageError(
                f"{name} is reserved: it is an argument of the compiled program",
                use.where,
                expected="another name for an input",
                mend=f"call it {name}_",
            )
        if name in self.system.constants:
            raise LanguageError(
                f"{name} is in two roles: declared a constant, and read as {use}",
                use.where,
                mend=f"take it out of constants=(…); a name with a time index is an input (an array {use})",
            )
        if name in self.uses.bare:
            raise LanguageError(
                f"{name} is in two roles: an input, {use}, and a parameter, {name}",
                self.uses.bare[name].where,
                mend=f"write {name}[t], or give the parameter another name",
            )

    def _boundaries(self) -> None:
        """Give the values before the start, at step 1 and after the end to their names."""
        system = self.system
        for s, moments in self.outside:
            axes = system.axes.get(s.name)
            if axes is None:
                raise LanguageError(
                    f"{s.name} has a value at one step and no equation",
                    s.where,
                    expected=f"{s.name}[t] = …, or {s.name} read as {s.name}[t-1] somewhere",
                    got=str(s)[:100],
                    mend=f"write {s.name}[t] = … for all steps, or {s.name} = … for a value without an index",
                )
            label = f"{s.name}[{', '.join(map(str, s.items))}]"
            outside = [(m, a) for m, a in zip(moments, axes, strict=False) if m.kind != "step"]
            others = [(m, a) for m, a in zip(moments, axes, strict=False) if m.kind == "step"]
            if (
                len(moments) != len(axes)
                or len(outside) != 1
                or any(m.axis != a or m.offset for m, a in others)
            ):
                raise LanguageError(f"{label}: {s.name} has the indices {', '.join(axes)}", s.where)
            (at, axis), *_ = outside
            if at.kind == "last" and at.axis != axis:
                raise LanguageError(
                    f"{label}: {s.name} is indexed by {axis}",
                    s.where,
                    expected=f"{s.name}[0], or {s.name}[{axis.upper()}+1]",
                    got=label,
                    mend=f"write {s.name}[{axis.upper()}{at.offset:+d}]",
                )
            label = shown(s.name, moments, axes)
            if (at.kind == "fixed" and at.offset > 1) or (at.kind == "last" and at.offset < 1):
                raise LanguageError(
                    f"{label} cannot be defined",
                    s.where,
                    expected=f"{s.name}[0], {s.name}[-1], …; {s.name}[1]; {s.name}[T+1], …",
                    mend=f"choose in the equation itself: {s.name}[t] = where(t == …, a, b)",
                )
            self._boundary(s, label, axis, at)

    def _boundary(self, s: Statement, label: str, axis: str, at: Moment) -> None:
        definition = self.system.definitions.get(s.name)
        if at.kind == "fixed" and at.offset == 1:
            if definition is None:
                raise LanguageError(
                    f"{s.name} is an input: its first step is what is given",
                    s.where,
                    expected=f"{s.name}[0] = …, its value before the start",
                    got=str(s)[:100],
                    mend=f"leave it out, or choose where it is read: where(t == 1, a, {s.name}[t])",
                )
            if axis in definition.first:
                raise self._twice(label, s, definition.first[axis])
            definition.first[axis] = s
            return
        known = self.system.boundaries.setdefault(s.name, [])
        same = next((b for b in known if b.label == label), None)
        if same is not None:
            raise self._twice(label, s, same.statement)
        known.append(Boundary(label, axis, at.kind == "last", at.offset, s))

    @staticmethod
    def _twice(label: str, s: Statement, other: Statement) -> LanguageError:
        return LanguageError(
            f"{label} is defined twice",
            s.where,
            expected="one equation for it",
            got=f"another one in line {other.where.line}: {other}"[:100],
            mend="leave one of them out",
        )

    def _reads(self) -> None:
        """What each bracket on a name with a time index reads; tables stay as they are."""
        for name, d in self.system.definitions.items():
            if d.axes and name in self.uses.bare:
                use = self.uses.bare[name]
                raise LanguageError(
                    f"{name} is read without an index and defined as {name}[{', '.join(d.axes)}]",
                    use.where,
                    expected=f"{name}[{', '.join(d.axes)}], or {name}[{d.axes[0].upper()}] for the last step",
                    got=name,
                    mend=f"write {name}[{', '.join(d.axes)}], or {name}[{d.axes[0]}-1] for the step before",
                )
        rewrite_brackets(self.system)

    # ---- parameters, symbols, declarations ----
    def _parameters(self) -> None:
        system = self.system
        tables = {n: us[0] for n, us in self.uses.indexed.items() if n not in system.axes}
        known = {**self.uses.bare, **tables}
        uses = sorted(known, key=_by_place(known, self.statements))
        for name in uses:
            if name in system.definitions or name in system.inputs:
                continue
            self._refuse_function(name, known[name])
            wanted = name in self.uses.symbols or name in self.uses.targets
            if name in self.declared or (wanted and name not in system.constants):
                if name in RUN_TIME:
                    raise LanguageError(f"{name} is reserved: it cannot name an input", known[name].where)
                system.inputs[name] = known[name]
            else:
                system.parameters[name] = known[name]
            system.axes[name] = ()

    def _refuse_function(self, name: str, use: Term) -> None:
        """``h[0] = zeros`` would be a parameter of this name."""
        if name in FUNCTIONS and name not in self.declared and name not in self.system.constants:
            raise LanguageError(
                f"{name} is a function, and stands here without arguments",
                use.where,
                expected=FUNCTIONS[name].form,
                got=name,
                mend=f"write {FUNCTIONS[name].form}, or {name}_ for a parameter",
            )

    def _symbols(self) -> None:
        find_symbols(self.system, self.uses.symbols, self.uses.targets, self.uses.numbers)
        leave_out_missing_targets(self.system)

    def _declared(self) -> None:
        system = self.system
        known = [*system.definitions, *system.inputs, *system.parameters]
        for kind, names in (("inputs", self.declared), ("constants", tuple(system.constants))):
            for name in names:
                if name in system.definitions:
                    raise LanguageError(
                        f"{name} is in two roles: declared in {kind} and defined",
                        system.definitions[name].statement.where,
                        mend=f"take it out of {kind}=(…), or its equation out of the text",
                    )
                if name not in known:
                    raise LanguageError(
                        f"{name} is declared in {kind} and occurs in no equation",
                        expected=f"one of {listed(n for n in known if n not in system.definitions)}",
                        mend=did_you_mean(name, known),
                    )
        both = set(self.declared) & system.constants
        if both:
            raise LanguageError(f"{min(both)} is in two roles: declared in inputs and in constants")
        called = {t.attr[0] for s in self.statements for t in _calls(s.value)}
        for name in sorted(system.opaque - called):
            raise LanguageError(
                f"{name} is declared opaque and never called", mend=did_you_mean(name, called)
            )


def _axes_read(use: Term) -> tuple[str, ...]:
    """The times in the brackets of ``name[…]``, in their order: of ``x[t-1, s]`` (t, s)."""
    found = [moment(i) for i in use.args[1:]]
    return tuple(str(m.axis) for m in found if m is not None and m.axis is not None)


def _calls(value: Term) -> list[Term]:
    return [t for t in walk(value) if t.head == "call"]


def _by_place(known: dict[str, Term], statements: Sequence[Statement]) -> Callable[[str], int]:
    """A key that sorts names by their first use in the text."""
    rank: dict[str, int] = {}
    for s in statements:
        for t in walk(s.value):
            if t.head == "name" and t.attr in known:
                rank.setdefault(t.attr, len(rank))
    return lambda name: rank.get(name, len(rank))
