"""The changes that are made to a module, one at a time: cosmic-ray's, and some of our own.

cosmic-ray writes changed source, so constants, decorators and classes can be changed as well as
functions. What can't differ when it runs is left alone: annotations, docstrings, imports for types,
and what is only logged.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

import parso
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator

NUMBERS: Final = "NumberReplacer"
# Of the many replacements for each operator, those that resemble a typing error.
OPERATORS: Final = (
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    NUMBERS,
    "RemoveDecorator",
    "ZeroIterationForLoop",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div",
    "ReplaceBinaryOperator_Div_Mul",
)
# What a script can hold, and what is written in its place; by what the script is recognized by.
SCRIPT_CHANGES: Final = (
    (
        re.compile(r"redis\.p?call|\bKEYS\b"),  # Lua
        (
            (r"==", "~="),
            (r"~=", "=="),
            (r"\band\b", "or"),
            (r"\bor\b", "and"),
            (r"\bnot\b", ""),
            (r"\btrue\b", "false"),
            (r"\bfalse\b", "true"),
            (r"(?<![\w\[])[0-9]+(?!\w)", "77"),
            (r">", ">="),
            (r"<", "<="),
        ),
    ),
    (
        re.compile(r"\b(?:SELECT|CREATE TRIGGER|DELETE FROM)\b"),  # SQL
        (
            (r"(?<![<>:]) = ", " <> "),
            (r"\bAND\b", "OR"),
            (r"\bIS NOT NULL\b", "IS NULL"),
            (r"\bIS NOT FALSE\b", "IS TRUE"),
            (r"\brecord_image_ne\b", "record_ne"),
            (r"\bFULL JOIN\b", "JOIN"),
            (r"\bUNION\b", "EXCEPT"),
            (r"\btrue\b", "false"),
            (r"\bfalse\b", "true"),
            (r"\b[0-9]+\b", "77"),
            (r" > ", " >= "),
            (r"\bWHERE\b", "WHERE NOT"),
            (r"\bENABLE (?:ALWAYS|REPLICA)\b", "ENABLE"),
            (r"\bNEW\b", "OLD"),
        ),
    ),
)

Position = tuple[tuple[int, int], tuple[int, int]]


class StatementRemover(Operator):  # type: ignore[misc]  # untyped there
    """Replace a statement that has an effect by `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield the calls, assignments to attributes and raises that stand alone."""
        if node.type == "simple_stmt" and _has_effect(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return `pass`, with the indentation of what it replaces."""
        prefix = node.get_first_leaf().prefix
        changed: Any = cast(Any, parso).parse("pass\n").children[0]
        changed.get_first_leaf().prefix = prefix
        return changed

    @classmethod
    def examples(cls) -> Sequence[Any]:
        """Show one."""
        return (Example("f()\n", "pass\n"),)


class ScriptReplacer(Operator):  # type: ignore[misc]  # untyped there
    """Change one word of a Lua script or an SQL statement."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield as many as the script has words to change."""
        for _ in _find_words(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return the script with another word."""
        start, end, word = _find_words(node)[index]
        text = node.value[:start] + word + node.value[end:]
        return type(node)(text, node.start_pos, node.prefix)

    @classmethod
    def examples(cls) -> Sequence[Any]:
        """Show one."""
        return (Example("x = 'redis.call(1)'", "x = 'redis.call(77)'"),)


class Change(NamedTuple):
    """A module's source with one change."""

    name: str
    """What identifies it in the list of survivors: the operator, and the lines before and after."""
    source: str
    is_in_function: bool
    """Nothing but the bodies of functions differs."""


def list_changes(source: str) -> Iterator[Change]:
    """Yield every change of a module that can make it behave differently."""
    operators: dict[str, Any] = {
        name: cast(Any, get_operator)(f"core/{name}")() for name in OPERATORS
    }
    operators |= {"StatementRemover": StatementRemover(), "ScriptReplacer": ScriptReplacer()}
    essence, outline = _essence(source), _outline(source)
    seen = dict[str, int]()
    for kind, operator in operators.items():
        occurrence = 0
        while (changed := cast(Any, mutate_code)(source, operator, occurrence)) is not None:
            occurrence += 1
            if kind == NUMBERS and not occurrence % 2:
                continue  # the same number once more: one less instead of one more
            try:
                if _essence(changed) == essence:
                    continue
            except SyntaxError:  # `not` before `name := value`, which lacks its brackets
                continue
            name = f"{kind}: {_describe(source, changed)}"
            seen[name] = seen.get(name, 0) + 1
            unique = f"{name} ({seen[name]})" if seen[name] > 1 else name
            yield Change(unique, changed, _outline(changed) == outline)


def _describe(source: str, changed: str) -> str:
    before, after = source.splitlines(), changed.splitlines()
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return f"{_join(before)} -> {_join(after)}"


def _join(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def _essence(source: str) -> str:
    """Return what can differ when the module runs."""
    return ast.dump(_TypeRemover().visit(ast.parse(source)))


def _outline(source: str) -> str:
    """Return the module without the bodies of its functions."""
    return ast.dump(_BodyRemover().visit(ast.parse(source)))


class _TypeRemover(ast.NodeTransformer):
    """Remove what only says how to call and to read: annotations, `*`, docstrings, typing."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
        node.defaults += [default for default in node.kw_defaults if default]
        node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        # Without a value, `self.a: int` does nothing; a class may read those of its names.
        is_declared = node.value is None and isinstance(node.target, ast.Attribute)
        return None if is_declared else self.generic_visit(node)

    def visit_Pass(self, _node: ast.Pass) -> None:
        return None

    def visit_If(self, node: ast.If) -> ast.AST | None:
        is_for_types = any(
            isinstance(part, ast.Name) and part.id == "TYPE_CHECKING"
            for part in ast.walk(node.test)
        )
        return None if is_for_types else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)


class _BodyRemover(ast.NodeTransformer):
    """Remove the bodies of functions; decorators and defaults stay."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = []
        return node


def _has_effect(node: Any) -> bool:
    if node.type in ("raise_stmt", "del_stmt"):
        return True
    if node.type == "atom_expr":
        return bool(node.get_first_leaf().value != "logger")
    return bool(node.type == "expr_stmt" and node.children[0].type == "atom_expr")


def _find_words(node: Any) -> list[tuple[int, int, str]]:
    if node.type == "string":
        script = node.value
    elif node.type == "fstring_string":
        script = node.parent.get_code()
    else:
        return []
    return [
        (found.start(), found.end(), word)
        for mark, changes in SCRIPT_CHANGES
        if mark.search(script)
        for pattern, word in changes
        for found in re.finditer(pattern, node.value)
    ]
