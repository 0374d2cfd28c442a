"""Small changes of Python source, each of which a good test notices."""

import ast
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "mutants_of"]

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
SAID = ("warn", "debug", "info", "warning", "error", "ValueError", "TypeError", "cast", "TypeVar")
"""Functions whose arguments are read by people or by type checkers only."""


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one file.

    Parameters
    ----------
    file
        Below the package, such as ``gp/rank.py``.
    start, end
        Characters that are replaced, as offsets in UTF-8.
    before, after
        What is there, and what replaces it.
    line, last_line
        Of the statement, counted from 1.
    function
        Where it is.
    at_import
        Whether the code runs once only, when the module is imported.
    """

    file: str
    start: int
    end: int
    before: str
    after: str
    line: int
    last_line: int
    function: str
    at_import: bool

    @property
    def lines(self) -> range:
        """Lines of the source that run the changed code."""
        return range(self.line, self.last_line + 1)

    @property
    def place(self) -> str:
        """File and function."""
        return f"`{self.file}` {self.function}".strip()

    @property
    def change(self) -> str:
        """Before and after, for a cell of a table."""
        words = f"`{self.before}` → `{self.after}`"
        return " ".join(words.split()).replace("|", "\\|")

    @property
    def key(self) -> str:
        """Name that does not change with the lines above."""
        return f"{self.file} {self.function}: {self.before} -> {self.after}"

    def apply(self, source: str) -> str:
        """Return the file with the change."""
        text = source.encode()
        assert text[self.start : self.end].decode() == self.before, "the copy is not the source"
        return (text[: self.start] + self.after.encode() + text[self.end :]).decode()

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}: {' '.join(self.change.split())}"


def mutants_of(package: Path) -> list[Mutant]:
    """All mutants of the modules in a folder."""
    return [
        mutant
        for path in sorted(package.glob("*.py"))
        for mutant in Finder(f"{package.name}/{path.name}", path.read_text()).found
    ]


class Finder(ast.NodeVisitor):
    """Finds the places of a module that can be changed.

    Docstrings, annotations, messages, names in text and imports are left alone.
    """

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source = file, source
        text = source.encode().splitlines(keepends=True)
        self.offsets = [0]
        for line in text:
            self.offsets.append(self.offsets[-1] + len(line))
        self.functions: list[str] = []
        self.in_function = False
        self.statement: ast.stmt | None = None
        self.found: list[Mutant] = []
        self.visit(ast.parse(source))

    def add(self, node: ast.expr | ast.stmt, after: str) -> None:
        """Note that a node can be replaced by other code."""
        start = self.offsets[node.lineno - 1] + node.col_offset
        end = self.offsets[node.end_lineno - 1] + node.end_col_offset
        before = self.source.encode()[start:end].decode()
        first, last = header(self.statement) if self.statement else (node.lineno, node.end_lineno)
        if isinstance(node, ast.stmt):
            first, last = node.lineno, node.end_lineno
        function = ".".join(self.functions)
        where = (first, last, function, not self.in_function)
        self.found.append(Mutant(self.file, start, end, before, after, *where))

    def visit(self, node: ast.AST) -> None:
        """Visit a node, and know the statement it is in."""
        outer = self.statement
        if isinstance(node, ast.stmt):
            self.statement = node
        super().visit(node)
        self.statement = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Visit defaults of parameters and the body, not annotations."""
        self.functions.append(node.name)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        outer, self.in_function = self.in_function, True
        for statement in node.body:
            self.visit(statement)
        self.in_function = outer
        self.functions.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Visit the body."""
        self.functions.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self.functions.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Visit the value only."""
        if node.value is not None:
            self.visit(node.value)

    def skip(self, node: ast.AST) -> None:
        """Leave it alone."""

    visit_Raise = visit_JoinedStr = visit_Import = visit_ImportFrom = visit_Assert = skip

    def visit_Expr(self, node: ast.Expr) -> None:
        """Leave out a call that is a statement; docstrings and log texts stay."""
        if isinstance(node.value, ast.Call) and called(node.value) not in SAID:
            self.add(node, "pass")
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """Visit the arguments unless they are a message."""
        if called(node) not in SAID:
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        """Move or turn round each comparison."""
        for k, operator in enumerate(node.ops):
            operators = list(node.ops)
            operators[k] = COMPARISONS[type(operator)]()
            self.add(node, f"({ast.unparse(ast.Compare(node.left, operators, node.comparators))})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Use another operator."""
        if other := OPERATORS.get(type(node.op)):
            self.add(node, f"({ast.unparse(ast.BinOp(node.left, other(), node.right))})")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Use another operator, or leave it out."""
        if other := OPERATORS.get(type(node.op)):
            self.add(node, ast.unparse(ast.AugAssign(node.target, other(), node.value)))
        self.add(node, "pass")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Exchange ``and`` and ``or``."""
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.add(node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Leave out ``not``, ``-`` and ``~``; a negative number is a number, but no ``-1 + 1``."""
        self.add(node, f"({ast.unparse(node.operand)})")
        if not isinstance(node.operand, ast.Constant):
            self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        """Leave the checks of ``zip`` and of errors in floating point alone."""
        if node.arg not in ("strict", "stacklevel"):
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Exchange ``True`` and ``False``; add one to numbers."""
        if isinstance(node.value, bool):
            self.add(node, str(not node.value))
        elif isinstance(node.value, int | float):
            self.add(node, f"({node.value!r} + 1)")

    def visit_If(self, node: ast.If) -> None:
        """Turn round the condition."""
        self.add(node.test, f"(not ({ast.unparse(node.test)}))")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        """Return nothing."""
        if node.value is not None and not is_none(node.value):
            self.add(node.value, "None")
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Leave out what is assigned to a part of an object."""
        if isinstance(node.targets[0], ast.Name) and node.targets[0].id.startswith("__"):
            return
        if all(isinstance(target, ast.Subscript) for target in node.targets):
            self.add(node, "pass")
        self.generic_visit(node)


def header(statement: ast.stmt) -> tuple[int, int]:
    """First and last line that run with a statement, without its body."""
    body = getattr(statement, "body", None)
    last = statement.end_lineno or statement.lineno
    if isinstance(body, list) and body:
        last = max(statement.lineno, body[0].lineno - 1)
    return statement.lineno, last


def is_none(node: ast.expr) -> bool:
    """Whether it is ``None``."""
    return isinstance(node, ast.Constant) and node.value is None


def called(node: ast.Call) -> str:
    """Last part of the name of a called function."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")
