"""What may be done to all scores of a reward model without changing what is said about it, for every figure of `ood_reward`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rewards_scripting import run_rewards

from evalsuite.tasks.rewards.ood import OodReward

Reward = Callable[[str, str, str], float]
Figures = dict[tuple[str, str, str | None], float | None]

PAIRS = 12
ORDER = {"accuracy", "accuracy_half", "tie", "prefers_longer"}
"""Metrics that only ask which reply scores higher."""

ORDER_DERIVED = {"id_accuracy", "ood_accuracy", "generalisation_gap", "worst_domain_accuracy"}
SCALE_FREE = ORDER_DERIVED | {
    "length_correlation", "discrimination", "accuracy_by_strength", "accuracy_after_flips", "suspected_labels",
    "ensemble_accuracy",
}  # fmt: skip
"""Derived figures that no positive factor on a model's scores may change."""

scores = st.lists(
    st.lists(st.integers(-8, 8), min_size=4 * PAIRS, max_size=4 * PAIRS), min_size=3, max_size=3
)  # two domains of pairs, two replies each; whole numbers, so that ties occur


def figures(folder: Path, tables: list[list[int]], change: Callable[[float], float], swap: bool = False) -> Figures:
    """All means and derived estimates of three reward models whose scores are planted and then changed."""
    folder.mkdir(exist_ok=True)
    planted: dict[str, int] = {}
    paths = {}
    for d, domain in enumerate(("home", "far")):
        rows = []
        for i in range(PAIRS):
            names = [f"{domain} {i} {'first' * (i % 3 + 1)}", f"{domain} {i} {'second' * (i % 4 + 1)}"]
            planted |= {name: 2 * (d * PAIRS + i) + side for side, name in enumerate(names)}
            chosen, rejected = names[::-1] if swap else names
            rows.append({"prompt": f"{domain} {i}", "chosen": chosen, "rejected": rejected})
        paths[domain] = folder / f"{domain}.jsonl"
        paths[domain].write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = folder / "domains.yaml"
    config.write_text(json.dumps({domain: str(path) for domain, path in paths.items()}))
    models: Mapping[str, Reward] = {
        f"m{k}": lambda who, prompt, reply, table=table: change(float(table[planted[reply]]))
        for k, table in enumerate(tables)
    }
    task = OodReward(OodReward.Options(domains=str(config), in_distribution="home"))
    table = run_rewards(task, models)
    found: Figures = {(e.metric, e.model, e.slice): e.value for e in task.derive(table)}
    for metric in ORDER:
        for model in models:
            for part in (None, "home", "far"):
                values = table.values(metric, model, part)[0]
                found[metric, model, part] = float(values.mean()) if len(values) else None
    return found


def chosen(found: Figures, metrics: set[str]) -> Figures:
    return {key: value for key, value in found.items() if key[0] in metrics}


few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(scores)
def test_a_shift_changes_nothing(tmp_path: Path, tables: list[list[int]]) -> None:
    assert figures(tmp_path, tables, lambda r: r + 1024.0) == pytest.approx(figures(tmp_path, tables, float))


@few
@given(scores)
def test_a_rising_transform_keeps_every_figure_of_order(tmp_path: Path, tables: list[list[int]]) -> None:
    plain, bent = (
        chosen(figures(tmp_path, tables, change), ORDER | ORDER_DERIVED)
        for change in (float, lambda r: math.exp(r / 4))
    )
    assert bent == pytest.approx(plain)


@few
@given(scores)
def test_a_factor_keeps_every_figure_but_those_of_likelihood(tmp_path: Path, tables: list[list[int]]) -> None:
    plain, scaled = (
        chosen(figures(tmp_path, tables, change), ORDER | SCALE_FREE) for change in (float, lambda r: 4 * r)
    )
    assert scaled == pytest.approx(plain)


def test_every_figure_that_is_named_here_is_derived(tmp_path: Path) -> None:
    tables = [[(7 * k + 5 * i) % 11 for i in range(4 * PAIRS)] for k in range(3)]
    found = {metric for metric, _, _ in figures(tmp_path, tables, float)}
    assert found >= ORDER | SCALE_FREE


@few
@given(scores)
def test_swapping_every_pair_turns_accuracy_round(tmp_path: Path, tables: list[list[int]]) -> None:
    plain, swapped = (figures(tmp_path, tables, float, swap) for swap in (False, True))
    for (metric, model, part), value in plain.items():
        other = swapped[metric, model, part] if metric in ORDER else None
        if metric == "accuracy":
            assert (value or 0.0) + (other or 0.0) + (plain["tie", model, part] or 0.0) == pytest.approx(1.0)
        elif metric == "accuracy_half":
            assert (value or 0.0) + (other or 0.0) == pytest.approx(1.0)
        elif metric in ("tie", "prefers_longer"):
            assert value == pytest.approx(other)
