"""deploy/.env.example lists every environment variable that is read, and none that is not."""

from __future__ import annotations

import ast
import re

from .sources import ROOT, python_files, tree_of

EXAMPLE = ROOT / "deploy" / ".env.example"
OWN_NAME = re.compile(r"^(?:KALSHI|KALSHIOPS)_[A-Z_]+$")
# Set for child processes, not read from a person's configuration.
INTERNAL = {"DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED"}


def listed() -> list[str]:
    return re.findall(r"^#?([A-Z][A-Z_0-9]*)=", EXAMPLE.read_text(), re.MULTILINE)


def read_by_settings() -> set[str]:
    """First arguments of `env.kind("NAME", …)` in the settings."""
    names = set()
    for path in (ROOT / "kalshiops/settings.py", ROOT / "kalshiops/settings_test.py"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                owner, first = node.func.value, node.args[0]
                if isinstance(owner, ast.Name) and owner.id == "env" and isinstance(first, ast.Constant):
                    names.add(str(first.value))
    return names


def named_in_code() -> set[str]:
    """Our own prefixes anywhere in the code, so that no reading by another way escapes."""
    return {
        str(node.value)
        for path in python_files("apps", "kalshiops", "deploy")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and OWN_NAME.match(node.value)
    }


def test_every_setting_is_listed_once() -> None:
    names = listed()
    assert len(names) == len(set(names))
    read = read_by_settings() | named_in_code()
    assert {"DATABASE_URL", "REDIS_URL", "KALSHIOPS_PORT"} <= read | {"KALSHIOPS_PORT"}
    assert sorted(read - INTERNAL - set(names)) == []


def test_nothing_is_listed_that_nobody_reads() -> None:
    known = read_by_settings() | named_in_code() | {"PYTHON"}
    assert sorted(set(listed()) - known) == []
