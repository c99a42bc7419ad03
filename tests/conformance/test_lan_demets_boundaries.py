"""Published group-sequential boundaries (Lan and DeMets 1983; tables of Reboussin et al. 2000), one-sided 0.025."""

from __future__ import annotations

import pytest

from evalsuite.stats.boundaries import SpendingFunction, efficacy_bounds


@pytest.mark.parametrize(
    ("family", "published"),
    [("obrien-fleming", (4.333, 2.963, 2.359, 2.014)), ("pocock", (2.368, 2.368, 2.358, 2.350))],
)
def test_four_equal_looks_give_the_published_boundaries(family: str, published: tuple[float, ...]) -> None:
    bounds = efficacy_bounds([0.25, 0.5, 0.75, 1.0], 0.025, SpendingFunction.parse(family))
    assert bounds == pytest.approx(published, abs=6e-4)
