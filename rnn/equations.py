"""The text form of the language: Python's expressions, read with ``ast`` and never evaluated.

An equation is split at its ``=``; its comment explains it in pictures and listings. ``f(a, b) = …``, which is
no Python, is read by writing brackets for the parentheses of its left side.
"""

from __future__ import annotations

import ast
import keyword
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO

from ..graph.errors import LanguageError, Position
from ..graph.language import DEEPEST, RESERVED, Equations, FunctionDefinition, Statement, Term
from .hints import as_equation, function_of_module, refuse_paper

LONGEST = 1_000_000
"""Characters of a text; longer ones are refused."""

_BINARY = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Mod: "mod",
    ast.MatMult: "matmul",
    ast.Pow: "pow",
}
_RELATION = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_INSTEAD = {
    "if": "write where(condition, a, b)",
    "else": "write where(condition, a, b)",
    "and": "multiply the conditions: (t > 1) * (t < 9)",
    "or": "write maximum(a, b) of the conditions",
    "not": "write 1 - condition",
    "in": "compare with ==",
    "for": "an equation name[t] = … holds for every t",
    "lambda": "define a function, f(a) = …, or call the name lambda_",
    "def": "define a function by an equation: f(a) = …",
    "return": "a function is one equation: f(a) = …",
    **dict.fromkeys(("import", "from"), "nothing is imported: the functions of the language are there"),
    **dict.fromkeys(("None", "True", "False"), "write a number"),
    "is": "compare with ==",
    "while": "an equation name[t] = … holds for every t",
}


def parse(text: str) -> Equations:
    """The equations of a text.

    Raises LanguageError, with line and column, for what is no equation, is nested too deeply (brackets and
    operators, more than ``graph.language.DEEPEST``) or is longer than ``LONGEST`` characters.
    """
    if not isinstance(text, str):
        raise TypeError(f"equations are a text, not {type(text).__name__}")
    if len(text) > LONGEST:
        raise LanguageError(
            f"a text of {len(text):,} characters is no network",
            expected=f"at most {LONGEST:,} characters",
            mend="give arrays of numbers names, and pass them as constants",
        )
    return _Parser(text).equations()


class _Parser:
    def __init__(self, text: str) -> None:
        self.source = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        stripped = [line.strip() for line in self.source]
        self.indents = [len(line) - len(line.lstrip()) for line in self.source]
        self.text = "\n".join(stripped) + "\n"
        self.functions: set[tuple[int, int]] = set()
        self.notes: dict[int, str] = {}

    def place(self, line: int, column: int) -> Position:
        """The position of a character of the stripped text, counted from line 1 and column 0."""
        if not 1 <= line <= len(self.source):
            return Position(line=min(max(line, 1), len(self.source) or 1))
        return Position(line, column + self.indents[line - 1] + 1, self.source[line - 1])

    def at(self, node: ast.expr | ast.stmt) -> Position:
        line = self.text_lines[node.lineno - 1]
        # ast counts bytes of UTF-8
        column = (
            node.col_offset
            if line.isascii()
            else len(line.encode()[: node.col_offset].decode(errors="ignore"))
        )
        return self.place(node.lineno, column)

    def equations(self) -> Equations:
        self._scan()
        self.text_lines = self.text.split("\n")
        equations = Equations()
        for statement in self._tree().body:
            for found in self._statement(statement):
                equations.add(found)
        return equations

    # ---- tokens: comments, keywords, depth, the parentheses of function definitions ----
    def _scan(self) -> None:
        refuse_paper(self.text.split("\n"), self.place)
        # where the tokens make no sense, ast.parse says so, and where
        with suppress(tokenize.TokenError, SyntaxError):
            self._scan_tokens(list(tokenize.generate_tokens(StringIO(self.text).readline)))

    def _scan_tokens(self, tokens: list[tokenize.TokenInfo]) -> None:
        depth, started = 0, 0
        above: list[str] = []
        above_line = 0
        for i, token in enumerate(tokens):
            line, column = token.start
            if token.type == tokenize.COMMENT:
                comment = token.string.lstrip("# ").rstrip()
                if tokens[i - 1].type in (tokenize.NEWLINE, tokenize.NL) or i == 0:
                    above = [*above, comment] if above_line == line - 1 else [comment]
                    above_line = line
                    started += started == i
                else:
                    self.notes[line] = comment
            elif token.type == tokenize.NEWLINE:
                first = tokens[started].start[0]
                if above and above_line == first - 1:
                    self.notes.setdefault(first, " ".join(above))
                above = []
                started = i + 1
            elif token.type == tokenize.NL and started == i:
                started = i + 1
            elif token.type == tokenize.NAME and keyword.iskeyword(token.string):
                self._refuse_keyword(token.string, self.place(line, column))
            elif token.type == tokenize.OP:
                if token.string in "([{":
                    depth += 1
                elif token.string in ")]}":
                    depth -= 1
                elif token.string == ";" and depth == 0:
                    started = i + 1
                elif token.string == "=" and depth == 0:
                    self._function_target(tokens[started:i])
                if depth > DEEPEST:
                    raise _too_deep(self.place(line, column))

    def _refuse_keyword(self, word: str, where: Position) -> None:
        raise LanguageError(
            f"{word} is a keyword of Python and cannot be a name",
            where,
            expected="a name, a number or an operator",
            got=word,
            mend=_INSTEAD.get(word, f"call it {word}_"),
        )

    def _function_target(self, tokens: list[tokenize.TokenInfo]) -> None:
        """Write brackets for the parentheses of ``f(a, b) =``."""
        tokens = [k for k in tokens if k.type not in (tokenize.NL, tokenize.COMMENT)]
        if (
            len(tokens) < 3
            or tokens[0].type != tokenize.NAME
            or tokens[1].string != "("
            or tokens[-1].string != ")"
        ):
            return
        if any(k.string in "()" and k.type == tokenize.OP for k in tokens[2:-1]):
            return
        if len(tokens) == 3:
            where = self.place(*tokens[0].start)
            raise LanguageError(
                f"the function {tokens[0].string} has no argument",
                where,
                mend=f"write {tokens[0].string} = …",
            )
        lines = self.text.split("\n")
        for token, bracket in ((tokens[1], "["), (tokens[-1], "]")):
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + bracket + lines[row - 1][column + 1 :]
        self.text = "\n".join(lines)
        self.functions.add(tokens[0].start)

    # ---- statements ----
    def _tree(self) -> ast.Module:
        try:
            return ast.parse(self.text)
        except SyntaxError as error:
            where = self.place(error.lineno or 1, (error.offset or 1) - 1)
            message = error.msg or "this is no expression"
            if "too many nested" in message or "too complex" in message:
                raise _too_deep(where) from None
            raise LanguageError(
                f"syntax error: {message}",
                where,
                expected="name[t] = expression",
                got=self.source[where.line - 1].strip()[:80] if where.line else None,
                mend="close the bracket" if "never closed" in message else "one equation a line",
            ) from None
        except (RecursionError, MemoryError):
            raise _too_deep(Position()) from None
        except ValueError as error:
            raise LanguageError(f"the text cannot be read: {error}") from None

    def _statement(self, node: ast.stmt) -> Iterator[Statement | FunctionDefinition]:
        where = self.at(node)
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            raise LanguageError(
                "this statement is no equation",
                where,
                expected="name[t] = expression, name = expression or f(a, b) = expression",
                got=_kind(node),
                mend=as_equation(node),
            )
        target = node.targets[0]
        note = self.notes.get(node.end_lineno or node.lineno) or self.notes.get(node.lineno)
        if (where.line, where.column - 1 - self.indents[where.line - 1]) in self.functions and isinstance(
            target, ast.Subscript
        ):
            yield self._function(target, node.value, where)
            return
        targets = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        value = self.term(node.value, 0)
        values = (
            [value] if len(targets) == 1 and targets[0] is target else self._parts(value, len(targets), where)
        )
        for one, part in zip(targets, values, strict=True):
            yield Statement(*self._target(one), part, self.at(one), note)

    def _parts(self, value: Term, n: int, where: Position) -> list[Term]:
        cut = value.head == "call" and value.attr == ("split", ()) and len(value.args) == 2
        if not cut or value.args[1].attr != n:
            raise LanguageError(
                f"{n} names stand on the left, and the right side is not cut into {n} parts",
                value.where,
                expected=f"split(vector, {n})",
                got=str(value)[:80],
                mend=f"write … = split(e[t], {n}), or one equation a name (from line {where.line})",
            )
        return list(value)

    def _target(self, node: ast.expr) -> tuple[str, tuple[Term, ...]]:
        if isinstance(node, ast.Name):
            return node.id, ()
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return node.value.id, self._items(node.slice, 1)
        raise LanguageError(
            f"{ast.unparse(node)[:60]} cannot be defined",
            self.at(node),
            expected="a name, a name with an index, or f(a, b)",
            mend="write name[t] = …",
        )

    def _function(self, target: ast.Subscript, value: ast.expr, where: Position) -> FunctionDefinition:
        name = target.value
        names = target.slice.elts if isinstance(target.slice, ast.Tuple) else [target.slice]
        parameters = []
        for n in names:
            if not isinstance(n, ast.Name) or n.id in RESERVED - {"s"} or n.id in parameters:
                raise LanguageError(
                    f"{ast.unparse(n)[:60]} cannot be an argument of a function that is defined",
                    self.at(n),
                    expected="different names, none of them t, T, S, batch",
                    mend=f"an index stands in brackets: {ast.unparse(target)} = …",
                )
            parameters.append(n.id)
        if not isinstance(name, ast.Name):
            raise LanguageError("a function needs a name", where, expected="f(a, b) = expression")
        return FunctionDefinition(name.id, tuple(parameters), self.term(value, 0), where)

    # ---- expressions ----
    def term(self, node: ast.expr, level: int) -> Term:
        """One expression as a term."""
        where = self.at(node)
        level += 1
        if level > DEEPEST:
            raise _too_deep(where)
        if isinstance(node, ast.Name):
            return Term("name", (), node.id, where)
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return Term(
                _BINARY[type(node.op)],
                (self.term(node.left, level), self.term(node.right, level)),
                None,
                where,
            )
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, (int, float))
            and not isinstance(node.value, bool)
        ):
            return Term("number", (), _finite(node.value, where), where)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return Term("text", (), node.value, where)
        if isinstance(node, ast.Subscript):
            return Term("index", (self.term(node.value, level), *self._items(node.slice, level)), None, where)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id, where, level)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            inner = self.term(node.operand, level)
            if isinstance(node.op, ast.UAdd):
                return inner
            return (
                Term("number", (), -inner.attr, where)
                if inner.head == "number"
                else Term("neg", (inner,), None, where)
            )
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _RELATION:
            pair = (self.term(node.left, level), self.term(node.comparators[0], level))
            return Term("compare", pair, _RELATION[type(node.ops[0])], where)
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return Term("transpose", (self.term(node.value, level),), None, where)
        if isinstance(node, (ast.Tuple, ast.List)):
            return Term("tuple", tuple(self.term(e, level) for e in node.elts), None, where)
        raise self._no_expression(node, where)

    def _call(self, node: ast.Call, name: str, where: Position, level: int) -> Term:
        values = [*node.args, *(k.value for k in node.keywords)]
        if any(k.arg is None for k in node.keywords) or any(isinstance(a, ast.Starred) for a in node.args):
            raise LanguageError("arguments are written out, without *", where)
        keywords = tuple(str(k.arg) for k in node.keywords)
        return Term("call", tuple(self.term(v, level) for v in values), (name, keywords), where)

    def _items(self, node: ast.expr, level: int) -> tuple[Term, ...]:
        nodes = node.elts if isinstance(node, ast.Tuple) else [node]
        items = []
        for n in nodes:
            if not isinstance(n, ast.Slice):
                items.append(self.term(n, level))
            elif n.lower is n.upper is n.step is None:
                items.append(Term("all", (), None, self.at(n)))
            else:
                raise LanguageError(
                    "a range of features cannot be an index",
                    self.at(n),
                    expected="a time, a symbol, or : for all",
                    got=ast.unparse(n)[:40],
                    mend="cut a vector with split(e[t], n)",
                )
        return tuple(items)

    def _no_expression(self, node: ast.expr, where: Position) -> LanguageError:
        shown = ast.unparse(node)[:60]
        mends: dict[type[ast.expr], str] = {
            ast.Attribute: "the only attribute is .T, the transpose",
            ast.Compare: "one comparison at a time: (0 < a) * (a < 1)",
            ast.Call: "only a name can be called; write the sign of a product, * or @",
            ast.BinOp: "the operators are + - * / @ % ** and comparisons",
            ast.UnaryOp: "the operators are + - * / @ % ** and comparisons",
        }
        return LanguageError(
            f"{shown} is not in the language",
            where,
            expected="names, numbers, indices, function calls and + - * / @ % ** == < …",
            got=_kind(node),
            mend=function_of_module(node) or mends.get(type(node)),
        )


def _finite(value: float, where: Position) -> float:
    if isinstance(value, int) and abs(value) >= 2**53:
        raise _too_large(f"{value} is too large a number", where)
    if value in (float("inf"), float("-inf")):
        raise _too_large("a number is too large", where)
    return value


def _too_large(problem: str, where: Position) -> LanguageError:
    return LanguageError(
        problem,
        where,
        expected="an integer below 2**53, or a number up to 1.8e308",
        mend="give it a name, declare that with constants=(…), and pass its value with the parameters",
    )


def _kind(node: ast.AST) -> str:
    words = {
        "Expr": "an expression",
        "AugAssign": "an assignment with an operator",
        "AnnAssign": "an annotation",
        "Assign": "several =",
        "JoinedStr": "an f-string",
        "Constant": "a constant",
        "ListComp": "a loop",
        "GeneratorExp": "a loop",
        "NamedExpr": ":=",
    }
    return words.get(type(node).__name__, type(node).__name__.lower())


def _too_deep(where: Position) -> LanguageError:
    return LanguageError(
        "this expression is nested too deeply",
        where,
        expected=f"at most {DEEPEST} levels",
        mend="give parts of it equations of their own",
    )
