"""Small changes to the risk and fee code, one at a time: another comparison, another constant, another connective.

Found in the syntax tree and put in by position, so that the rest of a file keeps its text. What only words a message
(f-strings, exceptions' texts), types and docstrings are left alone: no test should depend on them.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .trees import Mutant

LIMITS = ("tests/engine/test_limits.py", "tests/engine/test_limit_guards.py", "tests/engine/test_exposure.py")
SWITCHES = ("tests/engine/switches",)
TARGETS: dict[str, tuple[str, ...]] = {
    "apps/engine/limits/gate.py": LIMITS,
    "apps/engine/limits/inputs.py": LIMITS,
    "apps/engine/limits/model.py": LIMITS,
    "apps/engine/limits/breaches.py": LIMITS,
    "apps/engine/switches/base.py": SWITCHES,
    "apps/engine/switches/health.py": SWITCHES,
    "apps/engine/switches/money.py": SWITCHES,
    "apps/engine/switches/orders.py": SWITCHES,
    "apps/engine/switches/quality.py": SWITCHES,
    "apps/engine/switches/truth.py": SWITCHES,
    "apps/engine/fees.py": ("tests/engine/test_fees.py", "tests/engine/test_fees_recorded.py"),
    "apps/engine/sizing.py": ("tests/engine/test_sizing.py",),
    "apps/engine/drawdown.py": ("tests/engine/test_drawdown.py",),
    "apps/engine/exposure.py": ("tests/engine/test_exposure.py",),
}
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
SYMBOLS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


# Functions that only word numbers for people.
TEXT_FUNCTIONS = frozenset({"ms", "percent", "dollars", "share_bps", "limit_text", "__str__"})
# Changes that change nothing, as (file, the line's own text, the change): a sign is 1 or -1 and never 0, a share starts
# below every share there is, a number that only has to be too large is, a check asks for either role,
# and one millionth never makes a unit.
EQUIVALENT = frozenset(
    {
        ("apps/engine/limits/gate.py", "best = min(opposite) if facts.sign > 0 else max(opposite)", "> to >="),
        ("apps/engine/limits/gate.py", "other = abs(position - asks) if sign > 0 else abs(position + bids)", "> to >="),
        ("apps/engine/limits/gate.py", "return abs(facts.after) if facts.after * facts.sign > 0 else None", "* to //"),
        ("apps/engine/limits/gate.py", "worst, seen = -1, 0", "1 to 2"),
        ("apps/engine/limits/gate.py", "worst, seen = -1, 0", "0 to 1"),
        (
            "apps/engine/limits/breaches.py",
            "return -(-use.dollars * SHARE_SCALE // nav) if nav else 10**18",
            "18 to 19",
        ),
        ("apps/engine/fees.py", "rule.formula(is_taker=True)", "True to False"),
        ("apps/engine/fees.py", "spendable = held if rounding.rebate_at_unit else max(held - 1, 0)", "0 to 1"),
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """Characters `start` to `end` of a file become `text`."""

    start: int
    end: int
    text: str
    what: str


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self._source = source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self.found: list[Change] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for statement in node.body if node.name not in TEXT_FUNCTIONS else ():
            self.visit(statement)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A message."""

    def visit_Slice(self, node: ast.Slice) -> None:
        """How many of many a message names."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Its text is a message, and its condition stands elsewhere."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Told to the type checker."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.generic_visit(node)
        operands = [node.left, *node.comparators]
        for number, operator in enumerate(node.ops):
            start, end = self._end(operands[number]), self._start(operands[number + 1])
            between = self._source[start:end]
            symbol, new = SYMBOLS[type(operator)], COMPARISONS[type(operator)]
            if between.count(symbol) == 1:
                self._add(node, start, end, between.replace(symbol, new), f"{symbol} to {new}")

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.generic_visit(node)
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        start, end = self._end(node.values[0]), self._start(node.values[1])
        between = self._source[start:end]
        if len(node.values) == 2 and between.split() == [word]:
            self._add(node, start, end, between.replace(word, other), f"{word} to {other}")

    def visit_Constant(self, node: ast.Constant) -> None:
        if type(node.value) is int:
            new = node.value + 1
            self._add(node, self._start(node), self._end(node), str(new), f"{node.value} to {new}")
        elif type(node.value) is bool:
            self._add(
                node, self._start(node), self._end(node), str(not node.value), f"{node.value} to {not node.value}"
            )

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.generic_visit(node)
        symbols = {ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "//"), ast.FloorDiv: ("//", "*")}
        found = symbols.get(type(node.op))  # type: ignore[call-overload]
        start, end = self._end(node.left), self._start(node.right)
        if found and self._source[start:end].strip() == found[0]:
            self._add(node, start, end, self._source[start:end].replace(*found), f"{found[0]} to {found[1]}")

    def visit_Return(self, node: ast.Return) -> None:
        self.generic_visit(node)
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._add(node, self._start(node.value), self._end(node.value), "None", "return None")

    def _add(self, node: ast.expr | ast.stmt, start: int, end: int, text: str, what: str) -> None:
        self.found.append(Change(start, end, text, f"line {node.lineno}: {what}"))

    def _start(self, node: ast.expr) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        """The syntax tree counts columns in bytes."""
        text = self._source[self._lines[line - 1] :].split("\n", 1)[0]
        return self._lines[line - 1] + len(text.encode()[:column].decode())


def changes(source: str) -> list[Change]:
    """Every change to the functions of a source text that still compiles."""
    finder = _Finder(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            finder.visit(node)
    unique = {(c.start, c.end, c.text): c for c in finder.found}
    return [change for change in unique.values() if _compiles(applied(source, change))]


def applied(source: str, change: Change) -> str:
    return source[: change.start] + change.text + source[change.end :]


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _every(root: Path) -> Iterator[Mutant]:
    for path, tests in TARGETS.items():
        source = (root / path).read_text(encoding="utf-8")
        lines = source.splitlines()
        for change in changes(source):
            number, what = change.what.removeprefix("line ").split(": ", 1)
            if (path, lines[int(number) - 1].strip(), what) not in EQUIVALENT:
                yield Mutant(change.what, path, applied(source, change), tests)


def sampled(root: Path, size: int, seed: int) -> list[Mutant]:
    """A seeded sample over all targets, in the order of files and lines."""
    found = list(_every(root))
    chosen = random.Random(seed).sample(range(len(found)), min(size, len(found)))
    return [found[number] for number in sorted(chosen)]
