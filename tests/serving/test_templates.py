"""Plain templates for base models, and when a BOS token is missed."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import SpecError
from evalsuite.records import Message
from evalsuite.serving.templates import PLAIN_TEMPLATES, NamedTemplate, misses_bos, plain_template

ALL = pytest.mark.parametrize("template", PLAIN_TEMPLATES.values(), ids=list(PLAIN_TEMPLATES))


def test_the_default_is_human_and_assistant() -> None:
    messages = [
        Message("system", "Be kind."),
        Message("user", " Hi "),
        Message("assistant", "Hello."),
        Message("user", "Bye"),
    ]
    template = plain_template("human-assistant")
    assert template.render(messages) == "Be kind.\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye\n\nAssistant:"
    assert template.stop == ("\n\nHuman:",)


@ALL
@given(
    turns=st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text(st.characters(exclude_categories=["Cs"]))),
        min_size=1,
        max_size=4,
    )
)
def test_as_a_chat_template_it_renders_the_same(template: NamedTemplate, turns: list[tuple[str, str]]) -> None:
    messages = [Message(role, content) for role, content in turns]  # type: ignore[arg-type]
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, newline_sequence="\n")
    rendered = environment.from_string(template.jinja).render(
        messages=[{"role": role, "content": content} for role, content in turns], add_generation_prompt=True
    )
    assert rendered == template.render(messages)


@ALL
def test_an_answer_stops_before_the_next_turn_of_the_user(template: NamedTemplate) -> None:
    prompt = template.render([Message("user", "1"), Message("assistant", "2"), Message("user", "3")])
    after_answer = prompt.split("2", 1)[1]
    assert any(after_answer.startswith(stop) for stop in template.stop)


def test_an_unknown_template_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match="human-assistant"):
        plain_template("alpaka")


def test_a_large_gain_means_that_bos_was_missed() -> None:
    assert misses_bos([-9.0, -8.0, -9.5], [-2.0, -1.0, -3.0])
    assert not misses_bos([-2.0, -1.0, -3.0], [-1.9, -1.1, -2.8])
    assert not misses_bos([-2.0, -1.0, -3.0], [-9.0, -8.0, -9.5])
    assert not misses_bos([], [])
