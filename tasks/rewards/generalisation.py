"""From accuracy in each domain to what matters: how much is lost where the reward model was not trained.

The gap is mean accuracy in distribution minus mean accuracy out of distribution, domains weighing the same. Its two means are
over different pairs, so their variances add; two models are compared on the same pairs, so their gaps are paired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from evalsuite.api import Estimate, ScoreTable
from evalsuite.stats.intervals import Interval, macro_average, mean_interval
from evalsuite.tasks.rewards.estimates import difference_of_means, estimate_of, labels, slice_intervals


def generalisation(
    task: str, scores: ScoreTable, inside: Mapping[str, frozenset[str]], metric: str = "accuracy"
) -> Iterator[Estimate]:
    """`id_accuracy`, `ood_accuracy`, `generalisation_gap` and `worst_domain_accuracy` (its slice names the domain) of each
    model, and `gap_change` against the first model that was trained on the same domains.

    Args:
        inside: domains that each model was trained on, by model.
    """
    for model in scores.models:
        domains = slice_intervals(scores, metric, model)
        trained = [interval for name, interval in domains.items() if name in inside[model]]
        shifted = [interval for name, interval in domains.items() if name not in inside[model]]
        if domains:
            worst = min(domains, key=lambda name: domains[name].estimate)
            yield estimate_of(task, "worst_domain_accuracy", model, domains[worst], worst)
        if trained:
            yield estimate_of(task, "id_accuracy", model, macro_average(trained))
        if shifted:
            yield estimate_of(task, "ood_accuracy", model, macro_average(shifted))
        if trained and shifted:
            gap = difference_of_means(macro_average(trained), macro_average(shifted), "unpaired between domains")
            yield estimate_of(task, "generalisation_gap", model, gap, higher_is_better=False)
            reference = next(other for other in scores.models if inside[other] == inside[model])
            if reference != model:
                change = gap_change(scores, metric, model, reference, inside[model])
                if change is not None:
                    yield estimate_of(task, "gap_change", model, change, f"against {reference}", higher_is_better=False)


def gap_change(scores: ScoreTable, metric: str, model: str, reference: str, inside: frozenset[str]) -> Interval | None:
    """Gap of `model` minus gap of `reference`: paired on every pair that both scored, unpaired between domains."""
    sides: dict[bool, list[Interval]] = {True: [], False: []}
    for part in scores.slices(metric):
        if part is None:
            continue
        ours, ids, clusters = scores.values(metric, model, part)
        theirs = dict(zip(*reversed(scores.values(metric, reference, part)[:2]), strict=True))
        shared = [index for index, sample_id in enumerate(ids) if sample_id in theirs]
        if shared:
            differences = ours[shared] - np.array([theirs[ids[index]] for index in shared])
            sides[part in inside].append(
                mean_interval(differences, labels(clusters[shared]), kind="bounded", bounds=(-1, 1))
            )
    if not sides[True] or not sides[False]:
        return None
    return difference_of_means(
        macro_average(sides[True]), macro_average(sides[False]), "paired between models, unpaired between domains"
    )


def ensemble_members(scores: ScoreTable) -> tuple[str, ...]:
    """Models that tell at least one pair apart: a constant or failed one has no vote in an ensemble."""
    return tuple(model for model in scores.models if np.any(scores.values("margin", model)[0]))


def aligned_margins(scores: ScoreTable, models: Iterable[str], part: str | None = None) -> tuple[list[str], np.ndarray]:
    """`(sample ids, margins models × pairs)` of the pairs that all models scored, in plan order."""
    by_model = []
    for model in models:
        margins, ids, _ = scores.values("margin", model, part)
        by_model.append(dict(zip(ids.tolist(), margins.tolist(), strict=True)))
    shared = [name for name in by_model[0] if all(name in found for found in by_model)] if by_model else []
    return shared, np.array([[found[name] for name in shared] for found in by_model])


def length_bias(scores: ScoreTable, model: str, part: str | None) -> tuple[float, int] | None:
    """Spearman correlation of the margin with the difference in length (characters), and the number of pairs; None when
    either is constant."""
    from scipy.stats import spearmanr

    margins, lengths = [], []
    for _, score in scores.scores("margin", model):
        if score.value is not None and (part is None or score.slice == part):
            chosen, rejected = score.detail["lengths"]
            margins.append(score.value)
            lengths.append(chosen - rejected)
    if len(set(margins)) < 2 or len(set(lengths)) < 2:
        return None
    return float(spearmanr(margins, lengths).statistic), len(margins)


def shift_sensitivity(margins: np.ndarray) -> np.ndarray:
    """|r(a) − r(b)| of each pair, min-max normalised to [0, 1] over all pairs given (MetaRM, arXiv 2405.00438).

    A reward model that no longer tells answers apart under shift has its mass near zero there.
    """
    size = np.abs(margins)
    span = float(np.ptp(size)) if size.size else 0.0
    return (size - size.min()) / span if span > 0 else np.zeros_like(size)
