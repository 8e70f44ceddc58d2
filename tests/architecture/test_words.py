"""Words and paths that appear nowhere the team writes: code, screens, logs, exports, documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

from apps.analytics.metrics import METRICS
from apps.analytics.services.exports import COLUMNS
from apps.console import words
from apps.core.wording import ALLOWED, MAX_ALLOWED, TERMS, Allowed, Found, banned_in
from apps.governance.incident_rules import RULES
from kalshiops.roles import RIGHTS

from .sources import CODE, ROOT, name_of, tree_of, written_files

# A path that exists on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.>])/(?:ro" + r"ot|wo" + r"rk|home/\w+|Users/\w+|tmp/w)(?:/|\b)")
OWN_APPS = ("core", "governance", "marketdata", "risk", "trading", "simulation", "analytics", "console")


def looked_at() -> list[Path]:
    """Migrations as well: they hold labels and help texts."""
    migrations = [path for folder in CODE for path in (ROOT / folder).rglob("migrations/*.py")]
    return sorted({*written_files(), *migrations})


def is_allowed(name: str, found: Found) -> bool:
    return any(name.startswith(one.path) and found.word.lower().startswith(one.stem) for one in ALLOWED)


def hits() -> dict[str, list[Found]]:
    """File to what stands in it, allowed or not."""
    found = {name_of(path): banned_in(path.read_text(encoding="utf-8")) for path in looked_at()}
    return {name: words for name, words in found.items() if words}


def test_banned_words_appear_nowhere_but_where_they_are_allowed() -> None:
    wrong = [f"{name}: {one.word}" for name, words in hits().items() for one in words if not is_allowed(name, one)]
    assert wrong == []


def test_the_allow_list_is_short_gives_reasons_and_holds_nothing_that_is_not_used() -> None:
    assert len(ALLOWED) <= MAX_ALLOWED
    found = hits()
    for one in ALLOWED:
        assert len(one.reason) > 20
        assert any(name.startswith(one.path) and is_allowed(name, word) for name in found for word in found[name]), one
        assert any(term.stem == one.stem for term in TERMS)


def test_an_entry_allows_its_word_in_its_place_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Allowed("apps/gateway/", "p" + "ayout", "the name of a field in the exchange's messages")
    monkeypatch.setattr("tests.architecture.test_words.ALLOWED", (entry,))
    (wire,), (other,) = banned_in("p" + "ayouts"), banned_in("a b" + "et")
    assert is_allowed("apps/gateway/kalshi/models.py", wire)
    assert not is_allowed("apps/console/forms.py", wire)
    assert not is_allowed("apps/gateway/kalshi/models.py", other)


def strings(path: Path) -> Iterator[str]:
    """Every text of a module as the program sees it: parts that stand on two lines are one, brackets included."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def test_no_text_of_the_program_puts_one_together_over_two_lines() -> None:
    """Messages of logs and errors, labels, headers of exports: whatever is written as a string."""
    wrong = [
        f"{name_of(path)}: {one.word}"
        for path in looked_at()
        if path.suffix == ".py"
        for text in strings(path)
        for one in banned_in(text)
        if not is_allowed(name_of(path), one)
    ]
    assert wrong == []


def test_a_text_over_two_lines_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.architecture.sources.ROOT", tmp_path)
    path = tmp_path / "split.py"
    path.write_text('log.info("a b"\n  "et of {x}", f"place{y}B' + 'et")\n')
    assert {one.word for text in strings(path) for one in banned_in(text)} == {"b" + "et", "B" + "et"}


def labels() -> Iterator[str]:
    """What models, choices and rights say of themselves on a screen."""
    for label in OWN_APPS:
        for model in apps.get_app_config(label).get_models():
            yield from (str(model._meta.verbose_name), str(model._meta.verbose_name_plural))
            yield from (str(name) for _, name in model._meta.permissions)
            for field in model._meta.get_fields():
                if isinstance(field, models.Field):
                    yield from (str(field.verbose_name), str(field.help_text))
                    yield from (str(label) for _, label in field.flatchoices)


def test_no_label_column_or_phrase_uses_them() -> None:
    """As they come out at run time, wherever they were put together."""
    metrics = [text for metric in METRICS for text in (metric.name, metric.unit, metric.definition)]
    phrases = [*words.REASONS.values(), *words.REQUESTS.values(), *(rule.title for rule in RULES.values())]
    texts = [*labels(), *COLUMNS, *metrics, *phrases, *RIGHTS]
    assert len(texts) > 500
    assert [text for text in texts if banned_in(text)] == []


def test_no_path_of_one_machine() -> None:
    wrong = [
        f"{name_of(path)}:{number} {match.group()}"
        for path in written_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := MACHINE_PATH.search(line))
    ]
    assert wrong == []


@pytest.mark.parametrize("text", ["a b" + "et", "b" + "et_size", "O" + "DDS", "w" + "agers", "g" + "ambling"])
def test_banned_words_would_be_found(text: str) -> None:
    assert banned_in(text)


@pytest.mark.parametrize("text", ["between", "better", "beta", "alphabet", "goddess", "swagger"])
def test_innocent_words_are_left_alone(text: str) -> None:
    assert banned_in(text) == []


def test_the_screens_and_documents_are_looked_at() -> None:
    names = {name_of(path) for path in looked_at()}
    assert {"README.md", "kalshiops/settings.py", "deploy/up", "apps/governance/migrations/0001_initial.py"} <= names
    assert all((ROOT / name).is_file() for name in names)
