"""No module, class, function or template grows past what one can hold in one's head."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .sources import CODE, ROOT, name_of, python_files, templates, tree_of

MODULE, TEST_MODULE, ADMIN_MODULE, CONFTEST = 400, 500, 250, 150
FUNCTION, CLASS, TEMPLATE = 60, 200, 200
# Higher caps, by "path name". Each needs a sentence in the app's README that names the class or function.
RAISED: dict[str, int] = {}


def length(node: ast.AST) -> int:
    assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return (node.end_lineno or node.lineno) - node.lineno + 1


def cap(path: Path) -> int:
    if path.name == "conftest.py":
        return CONFTEST
    if "tests" in path.parts:
        return TEST_MODULE
    return ADMIN_MODULE if path.name == "admin.py" or "admin" in path.parts else MODULE


def too_long(path: Path) -> list[str]:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    found = [f"{name_of(path)} has {lines} lines, more than {cap(path)}"] if lines > cap(path) else []
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        name = f"{name_of(path)} {node.name}"
        allowed = RAISED.get(name, CLASS if isinstance(node, ast.ClassDef) else FUNCTION)
        if length(node) > allowed:
            found.append(f"{name} has {length(node)} lines, more than {allowed}")
    return found


@pytest.mark.parametrize("folder", [*CODE, "tests"])
def test_python_stays_small(folder: str) -> None:
    assert [line for path in python_files(folder) for line in too_long(path)] == []


def test_templates_stay_small() -> None:
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in templates()}
    assert {name: size for name, size in sizes.items() if size > TEMPLATE} == {}


def test_a_long_function_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.architecture.sources.ROOT", tmp_path)
    path = tmp_path / "long.py"
    path.write_text("def f():\n" + "    pass\n" * FUNCTION)
    assert too_long(path) == [f"long.py f has {FUNCTION + 1} lines, more than {FUNCTION}"]


def test_every_raised_cap_is_explained_where_the_app_is_described() -> None:
    for name in RAISED:
        path, _, subject = name.partition(" ")
        readme = ROOT.joinpath(*Path(path).parts[:2], "README.md")
        assert subject in readme.read_text(encoding="utf-8"), name
