"""From verdicts to numbers: pure folds over verdicts in the candidate's frame.

Every fold takes preferences P(candidate wins) in [0, 1] (tie = 0.5) or None for a verdict that is missing, and an explicit
policy for errors and for ties. A missing verdict is never silently a half.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from evalsuite.records import Verdict

Outcome = Literal["win", "tie", "lose"]
ErrorPolicy = Literal["drop", "either", "half"]
"""What to do when a verdict is missing: `drop` the item (MT-Bench, AlpacaEval, Arena-Hard), use `either` order that is there,
or count the missing one as a `half` (RewardBench's generative mode)."""
TiePolicy = Literal["half", "drop", "lose"]
"""What a tie is worth: half a win, nothing known (the item is left out), or a loss."""


def with_errors(preferences: Sequence[float | None], errors: ErrorPolicy) -> list[float]:
    """The usable preferences under an error policy; empty when the item is to be dropped."""
    if errors == "half":
        return [0.5 if preference is None else preference for preference in preferences]
    present = [preference for preference in preferences if preference is not None]
    if errors == "drop" and len(present) < len(preferences):
        return []
    return present


def mean_preference(preferences: Sequence[float | None], *, errors: ErrorPolicy = "drop") -> float | None:
    """Mean of the orders' preferences; position bias cancels in it."""
    usable = with_errors(preferences, errors)
    return fmean(usable) if usable else None


def outcome_of(preference: float) -> Outcome:
    """Win above one half, lose below, tie at exactly one half."""
    return "win" if preference > 0.5 else "lose" if preference < 0.5 else "tie"


def conservative_outcome(preferences: Sequence[float | None], *, errors: ErrorPolicy = "drop") -> Outcome | None:
    """A side wins only if it wins in every order; everything else is a tie (MT-Bench, Zheng et al. 2023, sec. 3.4)."""
    outcomes = {outcome_of(preference) for preference in with_errors(preferences, errors)}
    if not outcomes:
        return None
    return outcomes.pop() if len(outcomes) == 1 else "tie"


def majority_outcome(preferences: Sequence[float | None], *, errors: ErrorPolicy = "either") -> Outcome | None:
    """Sign of (wins − losses) over all calls: a tie in one order leaves the decision to the other (JudgeBench)."""
    outcomes = [outcome_of(preference) for preference in with_errors(preferences, errors)]
    if not outcomes:
        return None
    balance = outcomes.count("win") - outcomes.count("lose")
    return "win" if balance > 0 else "lose" if balance < 0 else "tie"


def outcome_value(outcome: Outcome, *, ties: TiePolicy = "half") -> float | None:
    """1 for a win, 0 for a loss; a tie by policy (None: left out)."""
    if outcome == "tie":
        return {"half": 0.5, "drop": None, "lose": 0.0}[ties]
    return 1.0 if outcome == "win" else 0.0


def preferences_of(verdicts: Sequence[Verdict]) -> list[float | None]:
    """Preferences of verdicts, None where the status is not ok."""
    return [verdict.preference for verdict in verdicts]


def orders_agree(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether both orders gave the same outcome; None unless both are there."""
    by_order = {verdict.order: verdict.preference for verdict in verdicts if verdict.preference is not None}
    if not {"AB", "BA"} <= by_order.keys():
        return None
    return outcome_of(by_order["AB"]) == outcome_of(by_order["BA"])
