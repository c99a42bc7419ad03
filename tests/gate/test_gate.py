"""The gate on two finished runs: three outcomes, refused evidence, one verdict per question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from evalsuite.errors import DataError, EvidenceError, UsageError
from evalsuite.gate.evidence import Contender
from evalsuite.gate.gate import gate_runs
from evalsuite.gate.ledger import Ledger
from evalsuite.gate.policy import Guardrail, Policy, Rule, read_policy
from evalsuite.gate.render import FORMATS
from evalsuite.gate.result import GateResult

MakeRun = Callable[..., Contender]
RULE = Rule(task="math", metric="accuracy", margin=0.05)
POLICY = Policy(metrics=(RULE,))


def paired_scores(change: float, n: int = 805, seed: int = 0) -> tuple[list[float], list[float]]:
    """0/1 scores of two models that agree on most items, the second better by about `change`."""
    rng = np.random.default_rng(seed)
    difficulty, noise = rng.random(n), 0.3 * rng.random((2, n))
    base = 0.7 * difficulty + noise[0] < 0.5
    candidate = 0.7 * difficulty + noise[1] < 0.5 + change
    return [float(value) for value in base], [float(value) for value in candidate]


def verdict(make_run: MakeRun, change: float, policy: Policy = POLICY, n: int = 805) -> GateResult:
    base, candidate = paired_scores(change, n)
    return gate_runs(make_run("cand", candidate), make_run("base", base), policy)


@pytest.mark.parametrize(("change", "outcome", "code"), [(0.02, "pass", 0), (-0.15, "fail", 1)])
def test_clear_changes_are_decided(make_run: MakeRun, change: float, outcome: str, code: int) -> None:
    result = verdict(make_run, change)
    assert (result.outcome, result.exit_code) == (outcome, code)


def test_too_little_evidence_is_inconclusive_and_says_how_much_would_do(make_run: MakeRun) -> None:
    result = verdict(make_run, 0.0, n=60)
    assert (result.outcome, result.exit_code) == ("inconclusive", 3)
    few = verdict(make_run, 0.0, Policy(metrics=(RULE,), test="group-sequential"), n=60)
    assert few.metrics[0].n_needed is not None
    assert few.metrics[0].n_needed > 60


@pytest.mark.parametrize(("choice", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 3)])
def test_the_policy_says_what_inconclusive_means_for_the_pipeline(make_run: MakeRun, choice: str, code: int) -> None:
    policy = Policy(metrics=(RULE,), on_inconclusive=choice)  # type: ignore[arg-type]
    assert verdict(make_run, 0.0, policy, n=60).exit_code == code


def test_the_sequential_test_stops_early_and_counts_what_it_saved(make_run: MakeRun) -> None:
    found = verdict(make_run, 0.02, Policy(metrics=(RULE,), test="group-sequential")).metrics[0]
    assert found.outcome == "pass"
    assert found.spent < 805
    assert found.spent + found.saved == 805
    assert [look["n"] for look in found.looks] == sorted(look["n"] for look in found.looks)


def test_fewer_than_thirty_clusters_get_the_strict_test(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.1, n=200)
    clusters = [f"c{i // 10}" for i in range(200)]
    result = gate_runs(
        make_run("cand", candidate, clusters=clusters), make_run("base", base, clusters=clusters), POLICY
    )
    assert "betting" in result.metrics[0].rule
    assert result.metrics[0].n_clusters == 20


def test_swapping_the_arms_negates_the_difference(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.02)
    forth = gate_runs(make_run("cand", candidate), make_run("base", base), POLICY).metrics[0]
    back = gate_runs(make_run("base", base), make_run("cand", candidate), POLICY).metrics[0]
    assert forth.difference == pytest.approx(-back.difference)  # type: ignore[operator]


def test_lower_is_better_turns_the_difference_around(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.2)
    runs = [
        make_run(label, scores, metric="harm", higher_is_better="false")
        for label, scores in (("c", candidate), ("b", base))
    ]
    policy = Policy(metrics=(Rule(task="math", metric="harm", margin=0.05),))
    assert gate_runs(runs[0], runs[1], policy).outcome == "fail"


def test_without_a_policy_imported_unit_metrics_are_gated_at_the_default_margin(make_run: MakeRun) -> None:
    assert verdict(make_run, 0.02, Policy()).metrics[0].margin == 0.05


# --- evidence that must not pass --------------------------------------------------------------------------------------


def test_missing_scores_beyond_the_limit_are_invalid(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.2)
    holes: list[float | None] = [None if i < 50 else value for i, value in enumerate(candidate)]
    result = gate_runs(make_run("cand", holes), make_run("base", base), POLICY)
    assert (result.outcome, result.exit_code) == ("invalid", 4)
    assert "6.2% of the candidate's 805 items" in result.metrics[0].explanation


def test_unequal_failures_never_pass(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.2)
    holes: list[float | None] = [None if i < 30 else value for i, value in enumerate(candidate)]
    result = gate_runs(make_run("cand", holes), make_run("base", base), POLICY)
    assert result.outcome == "invalid"
    assert "differ between the arms" in result.metrics[0].explanation


def test_items_that_only_one_run_has_count_as_missing(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.2)
    result = gate_runs(make_run("cand", candidate[:700]), make_run("base", base), POLICY)
    assert result.outcome == "invalid"
    assert result.metrics[0].missing_candidate == 105


def test_scores_that_do_not_vary_never_pass(make_run: MakeRun) -> None:
    result = gate_runs(make_run("cand", [1.0] * 200), make_run("base", [1.0] * 200), POLICY)
    assert result.outcome == "inconclusive"
    assert result.metrics[0].low is None
    assert "do not vary" in result.metrics[0].explanation


def test_one_cluster_never_passes(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.2, n=100)
    clusters = ["only"] * 100
    result = gate_runs(
        make_run("cand", candidate, clusters=clusters), make_run("base", base, clusters=clusters), POLICY
    )
    assert result.outcome == "inconclusive"


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_items_never_pass(make_run: MakeRun, n: int) -> None:
    result = gate_runs(make_run("cand", [1.0, 0.0][:n]), make_run("base", [0.0, 0.0][:n]), POLICY)
    assert result.outcome == "inconclusive"


def test_a_run_without_any_score_is_invalid(make_run: MakeRun) -> None:
    result = gate_runs(make_run("cand", [None] * 50), make_run("base", [1.0] * 50), POLICY)
    assert result.outcome == "invalid"


def test_runs_without_a_shared_item_are_refused(make_run: MakeRun) -> None:
    with pytest.raises(EvidenceError, match="share no item"):
        gate_runs(make_run("cand", {"a": 1.0}), make_run("base", {"b": 1.0}), POLICY)


def test_runs_with_other_options_or_data_are_refused_by_name(make_run: MakeRun) -> None:
    runs = [make_run("cand", [1.0, 0.0]), make_run("base", [1.0, 0.0])]
    manifest = json.loads((runs[0].run.path / "run.json").read_text())
    manifest["tasks"][0]["options"] = {"temperature": 0.8}
    manifest["tasks"][0]["data"] = [{"name": "test.jsonl", "sha256": "0" * 64}]
    (runs[0].run.path / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(EvidenceError, match=r"option temperature \(0.8 / None\), data test.jsonl"):
        gate_runs(Contender.open(str(runs[0].run.path)), runs[1], POLICY)


def test_an_item_scored_twice_is_refused(make_run: MakeRun) -> None:
    import pandas as pd

    runs = [make_run("cand", [1.0, 0.0]), make_run("base", [1.0, 0.0])]
    samples = pd.read_parquet(runs[0].run.path / "samples.parquet")
    pd.concat([samples, samples]).to_parquet(runs[0].run.path / "samples.parquet")
    with pytest.raises(DataError, match="scored twice"):
        gate_runs(runs[0], runs[1], POLICY)


def test_a_failed_audit_of_a_gated_task_is_invalid(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.2)
    runs = [make_run("cand", candidate), make_run("base", base)]
    path = runs[0].run.path / "results.json"
    results = json.loads(path.read_text())
    results["audits"] = [
        {"task": "math", "name": "constant_answers", "subject": "cand", "verdict": "fail", "explanation": "1 text"}
    ]
    path.write_text(json.dumps(results))
    result = gate_runs(runs[0], runs[1], POLICY)
    assert result.outcome == "invalid"
    assert "constant_answers of cand" in result.problems[0]


@pytest.mark.parametrize("file", ["run.json", "results.json"])
def test_half_written_files_are_a_clear_error(make_run: MakeRun, file: str) -> None:
    runs = [make_run("cand", [1.0, 0.0]), make_run("base", [1.0, 0.0])]
    path = runs[0].run.path / file
    path.write_text(path.read_text()[:60])
    with pytest.raises(DataError, match=file):
        gate_runs(Contender.open(str(runs[0].run.path)), runs[1], POLICY)


# --- guardrails, families, anchor -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "outcome"), [(0.10, "pass"), (0.01, "fail"), (0.035, "inconclusive")])
def test_a_guardrail_holds_only_when_its_bound_does(make_run: MakeRun, limit: float, outcome: str) -> None:
    harm = [float(i % 33 == 0) for i in range(500)]
    runs = [make_run(label, harm, metric="harm", higher_is_better="false") for label in ("cand", "base")]
    policy = Policy(guardrails=(Guardrail(task="math", metric="harm", max=limit),))
    found = gate_runs(runs[0], runs[1], policy).guardrails[0]
    assert found.outcome == outcome
    assert "Clopper-Pearson" in found.method


def test_missing_scores_count_as_the_worst_in_a_guardrail(make_run: MakeRun) -> None:
    harm: list[float | None] = [0.0] * 480 + [None] * 20
    policy = Policy(guardrails=(Guardrail(task="math", metric="harm", max=0.03),))
    found = gate_runs(make_run("cand", harm, metric="harm"), make_run("base", harm, metric="harm"), policy).guardrails[
        0
    ]
    assert found.value == pytest.approx(0.04)
    assert found.outcome != "pass"


def test_the_false_alarm_level_is_shared_and_the_release_risk_is_not(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.02)
    rules = tuple(
        Rule(task="math", metric="accuracy", margin=margin, weight=w) for margin, w in ((0.05, 3.0), (0.06, 1.0))
    )
    found = gate_runs(make_run("cand", candidate), make_run("base", base), Policy(metrics=rules)).metrics
    assert [verdict.alpha_fail for verdict in found] == pytest.approx([0.0375, 0.0125])
    assert [verdict.alpha_pass for verdict in found] == [0.05, 0.05]


def test_an_anchor_stops_a_slow_decline(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.0)
    anchor = make_run("anchor", paired_scores(0.3)[1])
    result = gate_runs(make_run("cand", candidate), make_run("base", base), POLICY, anchor=anchor)
    assert [found.against for found in result.metrics] == ["baseline", "anchor"]
    assert result.metrics[1].margin == pytest.approx(0.075)
    assert result.outcome == "fail"


# --- ledger, policy files, formats ------------------------------------------------------------------------------------


def test_the_same_question_gets_the_stored_verdict(make_run: MakeRun, tmp_path: Path) -> None:
    base, candidate = paired_scores(-0.15)
    ledger = Ledger(tmp_path / "verdicts.jsonl")
    runs = make_run("cand", candidate), make_run("base", base)
    first = gate_runs(*runs, POLICY, ledger)
    again = gate_runs(*runs, POLICY, ledger)
    assert again.from_ledger
    assert (again.key, again.outcome, again.answered) == (first.key, first.outcome, first.answered)
    assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 1


def test_another_margin_is_another_question(make_run: MakeRun, tmp_path: Path) -> None:
    base, candidate = paired_scores(0.02)
    ledger = Ledger(tmp_path / "verdicts.jsonl")
    runs = make_run("cand", candidate), make_run("base", base)
    wide = Policy(metrics=(Rule(task="math", metric="accuracy", margin=0.1),))
    assert gate_runs(*runs, POLICY, ledger).key != gate_runs(*runs, wide, ledger).key


def test_an_inconclusive_question_may_be_asked_again(make_run: MakeRun, tmp_path: Path) -> None:
    base, candidate = paired_scores(0.0, n=60)
    ledger = Ledger(tmp_path / "verdicts.jsonl")
    runs = make_run("cand", candidate), make_run("base", base)
    gate_runs(*runs, POLICY, ledger)
    assert not gate_runs(*runs, POLICY, ledger).from_ledger


def test_a_damaged_ledger_is_named_by_line(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").write_text('{"outcome": "pass"\n')
    base, candidate = paired_scores(0.0, n=60)
    with pytest.raises(DataError, match="line 1"):
        gate_runs(make_run("cand", candidate), make_run("base", base), POLICY, Ledger(tmp_path / "verdicts.jsonl"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("metrics: [{task: math, metric: accuracy, margin: -1}]", "margin of math/accuracy must be positive"),
        ("metrics: [{task: math, metric: accuracy, margn: 0.1}]", "margn"),
        ("alpha_pass: 0.7", "alpha_pass"),
        ("guardrails: [{task: math, metric: harm}]", "either max or min"),
        ("metrics: {", "not YAML"),
        ("- 1", "policy"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        read_policy(tmp_path / "policy.yaml")


def test_all_formats_tell_the_verdict_the_rule_and_the_looks(make_run: MakeRun) -> None:
    result = verdict(make_run, -0.15, Policy(metrics=(RULE,), test="group-sequential"))
    assert "FAIL" in FORMATS["text"](result)
    assert "looks" in FORMATS["text"](result)
    assert json.loads(FORMATS["json"](result))["exit_code"] == 1
    assert "| **fail** | math/accuracy |" in FORMATS["markdown"](result)
    suite = ElementTree.fromstring(FORMATS["junit"](result))
    assert suite.attrib["failures"] == "1"
    assert suite.find("testcase/failure") is not None


def test_labels_cannot_break_the_formats(make_run: MakeRun) -> None:
    base, candidate = paired_scores(0.0, n=60)
    hostile = "a|b<script>\x07"
    runs = make_run("cand", candidate), make_run("base", base)
    result = gate_runs(*runs, POLICY)
    result = type(result)(
        **{
            **{name: getattr(result, name) for name in result.__struct_fields__},
            "candidate": hostile,
            "problems": [hostile],
        }
    )
    assert "<script>" not in FORMATS["markdown"](result)
    ElementTree.fromstring(FORMATS["junit"](result))
