"""Changes the rule of every switch in turn and asks whether a test notices (goal G21).

python -m tests.bench.bench_switch_mutants

A mutant is one comparison moved or turned round, one condition taken as true or false, one `and` made `or`, or one
action taken away, in a judge or in the checks all switches share. It is killed when a case of a table or a test of the
catalogue fails. Prints how many were killed, and those that were not.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from apps.engine.switches import base, health, money, orders, quality, truth
from apps.engine.switches.catalogue import SWITCHES
from tests.engine.switches import cases, test_catalogue, test_quality

MOVES: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
}
SHARED = ("thresholds_problem", "_bad_value", "_bad_item", "_gap", "_has_gap")
PER_KEY: tuple[Callable[[str], None], ...] = (
    test_catalogue.test_no_field_may_be_missing_unless_absence_means_something,
    test_catalogue.test_no_input_at_all_is_no_input_and_refuses,
    test_catalogue.test_inputs_are_live_up_to_their_age_and_not_beyond,
    test_catalogue.test_inputs_of_another_switch_trip,
    test_catalogue.test_thresholds_that_cannot_be_used_trip,
    test_catalogue.test_a_time_that_is_not_an_integer_trips,
    test_catalogue.test_every_switch_passes_its_drill,
)


def passes() -> bool:
    """The tests of the kernels, without a test runner."""
    try:
        for table in test_catalogue.TABLES:
            for case in table:
                cases.check(case)
        for key in test_catalogue.KEYS:
            for bad in (cases.NAN, 1.0, object()):
                test_catalogue.test_no_field_takes_a_number_that_cannot_be(key, bad)
            for test in PER_KEY:
                test(key)
        test_catalogue.test_thresholds_are_taken_over_by_name_and_checked()
        test_quality.test_the_floor_applies_from_the_minimum_sample_on()
    except BaseException:  # noqa: BLE001  pytest's own failures are no Exception
        return False
    return True


def variants(function: ast.FunctionDef) -> Iterator[str]:
    """Changes the tree in place, says what it is now, and changes it back."""
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in MOVES:
            kept = node.ops[0]
            for move in MOVES[type(kept)]:
                node.ops[0] = move()
                yield ast.unparse(node)
            node.ops[0] = kept
        elif isinstance(node, ast.If):
            test = node.test
            for constant in (False, True):
                node.test = ast.Constant(constant)
                yield f"{ast.unparse(test)} is {constant}"
            node.test = test
        elif isinstance(node, ast.BoolOp):
            was = node.op
            node.op = ast.And() if isinstance(was, ast.Or) else ast.Or()
            yield ast.unparse(node)
            node.op = was
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Action":
            action = node.attr
            node.attr = "HALT" if action == "NONE" else "NONE"
            yield f"Action.{action} is Action.{node.attr}"
            node.attr = action


def survives(module: ModuleType, function: ast.FunctionDef) -> bool:
    """Whether every test passes with the changed function in place of the real one."""
    found: dict[str, Any] = {}
    exec(compile(ast.Module([ast.fix_missing_locations(function)], []), "mutant", "exec"), vars(module), found)  # noqa: S102
    mutant, real = found[function.name], getattr(module, function.name)
    judged = [switch for switch in SWITCHES.values() if switch.judge is real]
    setattr(module, function.name, mutant)
    for switch in judged:
        object.__setattr__(switch, "judge", mutant)
    try:
        return passes()
    finally:
        setattr(module, function.name, real)
        for switch in judged:
            object.__setattr__(switch, "judge", real)


def main() -> None:
    if not passes():
        raise SystemExit("the tests fail without any mutant")
    tried, alive = 0, []
    for module in (money, quality, health, truth, orders, base):
        for function in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(function, ast.FunctionDef) and function.name.startswith(("judge_", *SHARED)):
                for change in variants(function):
                    tried += 1
                    if survives(module, function):
                        alive.append(f"{function.name}: {change}")
    print(f"{tried} mutants of {len(SWITCHES)} switches, {tried - len(alive)} killed")
    print("\n".join(f"  alive: {line}" for line in alive))


if __name__ == "__main__":
    main()
