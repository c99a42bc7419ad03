"""Conversations that share their beginning in a row score what they score alone, on every kind of model that is allowed to."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from evalsuite.serving import hf_batches, hf_rewards  # noqa: E402
from evalsuite.serving.hf_rewards import RewardScorer  # noqa: E402
from evalsuite.serving.shared_prefixes import (  # noqa: E402
    Row,
    Tokens,
    row_logits,
    rows_by_prefix,
    why_not_shared,
)

VOCABULARY = 40
WINDOW = 6
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "initializer_range": 0.5, "pad_token_id": 0, "num_labels": 3,
}  # fmt: skip


def classifier(kind: str, **options: Any) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind.removesuffix('Text')}{'Text' * kind.endswith('Text')}Config")
    model = getattr(transformers, f"{kind}ForSequenceClassification")
    return model(config(**SIZES, **options)).eval()


def llama(**options: Any) -> Any:
    return classifier("Llama", **options)


def gemma3(**options: Any) -> Any:
    """Two layers over a window that is shorter than the shared beginnings here, one over everything."""
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    return classifier("Gemma3Text", head_dim=8, sliding_window=WINDOW, layer_types=kinds, **options)


FAMILIES: dict[str, Callable[[], Any]] = {
    "llama": llama,
    "gemma3, some layers over a window": gemma3,
    "gemma2, every other layer over a window": lambda: classifier("Gemma2", head_dim=8, sliding_window=WINDOW),
    "gemma": lambda: classifier("Gemma", head_dim=8),
    "mistral, every layer over a window": lambda: classifier("Mistral", sliding_window=WINDOW),
    "mixtral, experts": lambda: classifier("Mixtral", num_local_experts=4),
    "phi3, every layer over a window": lambda: classifier("Phi3", sliding_window=WINDOW),
    "qwen2": lambda: classifier("Qwen2"),
    "qwen3, layers over a window": lambda: classifier(
        "Qwen3", head_dim=8, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1
    ),
    "olmo2": lambda: classifier("Olmo2"),
}


def answers(count: int, seed: int = 0, beginning: int = 20) -> tuple[Tokens, ...]:
    """Conversations of different lengths after the same beginning, without the padding token."""
    rng = random.Random(seed)

    def tokens(length: int) -> Tokens:
        return tuple(rng.choices(range(1, VOCABULARY), k=length))

    start = tokens(beginning)
    return tuple(start + tokens(rng.randint(1, 15)) for _ in range(count))


def alone(model: Any, conversations: tuple[Tokens, ...]) -> list[list[float]]:
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([tokens])).logits[0].tolist() for tokens in conversations]


def together(model: Any, rows: list[Row]) -> list[list[float]]:
    with torch.inference_mode():
        logits: list[list[float]] = row_logits(model, rows).tolist()
    return logits


def in_rows(*groups: tuple[tuple[Tokens, ...], int]) -> list[Row]:
    return [Row(conversations, shared) for conversations, shared in groups]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("make", FAMILIES.values(), ids=FAMILIES)
def test_every_output_is_what_a_whole_conversation_gets(make: Callable[[], Any], attention: str) -> None:
    model = make()
    model.set_attn_implementation(attention)
    assert why_not_shared(model) is None
    groups = answers(2), answers(5, seed=1, beginning=33), answers(1, seed=2)
    rows = in_rows((groups[0], 20), (groups[1], 33), (groups[2], len(groups[2][0])))
    expected = alone(model, sum(groups, ()))
    for found, whole in zip(together(model, rows), expected, strict=True):
        assert found == pytest.approx(whole, abs=1e-4)
    spread = torch.tensor(expected).std(dim=0)
    assert (spread > 0.1).all()


def test_the_window_is_measured_in_the_conversation_not_in_the_row() -> None:
    model = gemma3()
    conversations = answers(4)
    expected = alone(model, conversations)
    model.config.sliding_window = 10_000  # masks of our own only: as if the window were forgotten
    found = together(model, [Row(conversations, 20)])
    assert (
        max(abs(a - b) for left, right in zip(found, expected, strict=True) for a, b in zip(left, right, strict=True))
        > 0.1
    )


def test_an_answer_that_is_the_beginning_of_another_is_read_in_the_shared_part() -> None:
    model = llama()
    longer = answers(1)[0]
    conversations = (longer, longer[:12])
    for found, whole in zip(together(model, [Row(conversations, 12)]), alone(model, conversations), strict=True):
        assert found == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("pad", [0, 7, None])
def test_the_score_is_read_where_transformers_reads_it(pad: int | None) -> None:
    model = llama()
    model.config.pad_token_id = pad
    ended = tuple((*tokens, 7, 7) for tokens in answers(3))  # 7 ends a turn, and may be the padding as well
    for found, whole in zip(together(model, [Row(ended, 20)]), alone(model, ended), strict=True):
        assert found == pytest.approx(whole, abs=1e-4)


def bert() -> Any:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        initializer_range=0.5,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config).eval()


def test_models_that_cannot_share_are_told_by_what_they_are() -> None:
    own_head = transformers.GPT2ForSequenceClassification(
        transformers.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=1, n_head=4)
    )
    assert "does not read its score as decoders do" in str(why_not_shared(bert()))
    assert "does not read its score as decoders do" in str(why_not_shared(own_head))
    assert why_not_shared(gemma3(use_bidirectional_attention=True)) == "its attention is not causal"
    recurrent = llama()
    recurrent.config.layer_types = ["linear_attention", "full_attention", "full_attention"]
    assert why_not_shared(recurrent) == "it has layers of the kind linear_attention"
    flash = llama()
    flash.config._attn_implementation = "flash_attention_2"
    assert why_not_shared(flash) == "flash_attention_2 attention takes no mask of our own"


def scored(model: Any, conversations: tuple[Tokens, ...], log: Callable[[str], None] = pytest.fail) -> list[float]:
    found = dict(RewardScorer(model, 1, "rm", log).score(conversations))
    return [found[tokens] for tokens in conversations]


@pytest.mark.parametrize("tokens", [40, 150, 8192])
@pytest.mark.parametrize("make", [llama, gemma3])
def test_scores_are_the_same_at_every_token_budget(
    make: Callable[[], Any], tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make()
    conversations = sum((answers(n, seed=n, beginning=10 * n) for n in range(1, 8)), ())
    expected = [logits[1] for logits in alone(model, conversations)]
    monkeypatch.setattr(hf_batches, "TOKENS_PER_BATCH", tokens)
    assert scored(model, conversations) == pytest.approx(expected, abs=1e-4)


def test_an_encoder_reads_whole_conversations() -> None:
    model = bert()
    conversations = sum((answers(3, seed=n) for n in range(3)), ())
    assert scored(model, conversations) == pytest.approx(
        [logits[1] for logits in alone(model, conversations)], abs=1e-4
    )


def test_a_beginning_is_computed_once() -> None:
    computed = []
    model = llama()
    model.get_input_embeddings().register_forward_pre_hook(lambda _, inputs: computed.append(inputs[0].numel()))
    conversations = answers(4, beginning=60)
    scorer = RewardScorer(model, 0, "rm", pytest.fail)
    list(scorer.score(conversations))
    computed.clear()  # the first row was scored both ways
    list(scorer.score(conversations))
    assert computed == [60 + sum(len(tokens) - 60 for tokens in conversations)]


def test_a_model_that_sees_more_than_its_mask_is_found_out_and_scored_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gemma3(use_bidirectional_attention=True)
    monkeypatch.setattr(hf_rewards, "why_not_shared", lambda _: None)
    conversations = sum((answers(3, seed=n, beginning=30) for n in range(3)), ())
    said: list[str] = []
    assert scored(model, conversations, said.append) == pytest.approx(
        [logits[1] for logits in alone(model, conversations)], abs=1e-4
    )
    assert len(said) == 1
    assert "each is scored whole" in said[0]


def test_a_score_that_is_not_a_number_is_lost_alone() -> None:
    model = llama()
    first, second, third = answers(3, beginning=30)
    with torch.no_grad():
        model.get_input_embeddings().weight[0] = torch.inf
    broken = (*second[:-1], 0, *second[-1:])
    values = scored(model, (first, broken, third))
    assert [value == value for value in values] == [True, False, True]
    expected = alone(model, (first, third))
    assert [values[0], values[2]] == pytest.approx([logits[1] for logits in expected], abs=1e-4)


conversation_lists = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=12).map(tuple), min_size=1, max_size=20, unique=True
)


def length_cost(rows: list[Row], width: int) -> int:
    return sum(len(row) * (3 * width + len(row)) for row in rows)


@given(conversation_lists, st.integers(1, 200), st.integers(1, 60))
def test_rows_hold_every_conversation_once_with_a_beginning_that_all_of_them_have(
    conversations: list[Tokens], width: int, longest: int
) -> None:
    rows = rows_by_prefix(conversations, width, longest)
    assert sorted(tokens for row in rows for tokens in row.conversations) == sorted(conversations)
    for row in rows:
        assert len({tokens[: row.shared] for tokens in row.conversations}) == 1
        assert all(len(tokens) >= row.shared for tokens in row.conversations)
        assert len(row.conversations) == 1 or len(row) <= longest
    whole = [Row((tokens,), len(tokens)) for tokens in conversations]
    assert length_cost(rows, width) <= length_cost(whole, width)


@given(st.integers(0, 1000), st.integers(2, 6), st.randoms(use_true_random=False))
def test_answers_to_one_prompt_meet_in_whatever_order_they_come(seed: int, count: int, order: random.Random) -> None:
    system = (1, 2, 3)
    prompts = [tuple(1 + p for _ in range(30 + p)) for p in range(5)]
    rng = random.Random(seed)
    conversations = list(
        {(*system, *prompt, 20 + i, *rng.choices(range(1, 20), k=5)) for prompt in prompts for i in range(count)}
    )
    order.shuffle(conversations)
    rows = rows_by_prefix(conversations, 1, 300)
    assert sorted(len(row.conversations) for row in rows) == [count] * 5
    assert {row.shared for row in rows} == {len(system) + len(prompt) for prompt in prompts}


def test_conversations_that_have_little_in_common_are_left_apart() -> None:
    conversations = [(1, 2, *(10 + i for _ in range(100))) for i in range(10)]
    assert all(len(row.conversations) == 1 for row in rows_by_prefix(conversations, 32, 8192))


def test_a_wide_model_shares_more_than_a_narrow_one() -> None:
    conversations = list(answers(40, beginning=30))
    narrow, wide = (max(len(row.conversations) for row in rows_by_prefix(conversations, w, 8192)) for w in (32, 4096))
    assert narrow < wide == 40
