"""General ability deltas of TRACE table 2 (arXiv 2310.06762), recomputed from its six benchmarks."""

from __future__ import annotations

import pytest

from evalsuite.stats.forgetting_intervals import ability_delta

# MMLU, GSM8K, BBH, TyDiQA, BoolQ, PIQA in percent: the chat model, then (scores, published delta) after each method.
TABLE_2 = {
    "Llama2-7B-chat": (
        (46.56, 26.08, 40.23, 23.47, 70.55, 76.22),
        {
            "SeqFT": ((46.43, 3.49, 30.11, 33.23, 77.89, 76.5), -2.58),
            "LoRA": ((42.28, 14.71, 33.61, 21.72, 53.43, 75.19), -7.03),
            "Replay": ((47.04, 3.03, 36.61, 31.57, 75.75, 75.3), -2.31),
        },
    ),
    "Llama2-13B-chat": (
        (54.61, 43.14, 49.70, 27.65, 81.5, 78.24),
        {
            "SeqFT": ((41.88, 2.12, 19.47, 32.27, 82.08, 77.15), -13.32),
            "LoRA": ((50.63, 24.72, 38.98, 26.93, 68.96, 78.02), -7.78),
            "Replay": ((47.72, 2.96, 36.52, 32.52, 82.45, 76.88), -9.3),
        },
    ),
    "Baichuan2-7B-chat": (
        (53.80, 33.21, 35.66, 20.64, 77.09, 74.05),
        {
            "SeqFT": ((46.92, 4.25, 37.45, 35.20, 79.08, 74.21), -2.89),
            "LoRA": ((52.14, 22.74, 27.53, 30.99, 75.23, 74.86), -1.83),
            "Replay": ((45.72, 8.19, 35.61, 34.65, 80.06, 72.69), -2.93),
        },
    ),
    "Vicuna-7B": (
        (51.28, 23.65, 43.32, 22.38, 78.56, 77.42),
        {
            "SeqFT": ((49.46, 3.87, 39.25, 33.92, 77.74, 75.73), -2.77),
            "LoRA": ((48.37, 18.89, 28.16, 25.84, 67.24, 76.23), -5.31),
            "Replay": ((47.20, 4.78, 39.26, 31.86, 78.92, 80.13), -2.41),
        },
    ),
    "Vicuna-13B": (
        (56.16, 36.09, 51.29, 24.89, 82.45, 78.89),
        {
            "SeqFT": ((37.93, 2.81, 35.23, 36.86, 83.43, 77.86), -9.27),
            "LoRA": ((52.46, 22.14, 41.22, 27.86, 67.71, 77.53), -6.81),
            "Replay": ((48.73, 3.11, 42.94, 39.60, 84.71, 77.53), -5.52),
        },
    ),
}
PRINTED_WITH_TRANSPOSED_DIGITS = {("Vicuna-7B", "LoRA"): -5.13, ("Vicuna-13B", "LoRA"): -6.18}
"""What the paper prints for two rows; their own six scores give the values in the table above."""

ROWS = [(model, method) for model, (_, methods) in TABLE_2.items() for method in methods]


@pytest.mark.parametrize(("model", "method"), ROWS)
def test_published_delta_reproduces(model: str, method: str) -> None:
    base, methods = TABLE_2[model]
    scores, published = methods[method]
    delta = ability_delta([[value / 100] for value in base], [[value / 100] for value in scores])
    assert delta.value is not None
    assert 100 * delta.value == pytest.approx(published, abs=0.015)
    assert (delta.low, delta.high) == (None, None)
    printed = PRINTED_WITH_TRANSPOSED_DIGITS.get((model, method))
    assert printed is None or abs(100 * delta.value - printed) > 0.1
