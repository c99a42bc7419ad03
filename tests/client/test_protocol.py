"""What is sent for each question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from evalsuite.client import protocol
from evalsuite.client.backend import ChatRequest, PromptRequest, RewardRequest
from evalsuite.client.endpoint import Endpoint
from evalsuite.errors import SpecError
from evalsuite.records import GenerationParams, Message

HELLO = (Message("user", "Hello"),)


class HumanAssistant:
    """The plain template of the tests."""

    stop = ("\n\nHuman:",)

    def render(self, messages: Sequence[Message]) -> str:
        turns = "".join(f"\n\n{'Human' if m.role == 'user' else 'Assistant'}: {m.content}" for m in messages)
        return turns + "\n\nAssistant:"


def endpoint(**options: Any) -> Endpoint:
    return Endpoint(base_url="http://127.0.0.1:8000/v1", served_name="m", **options)


def sent(call: protocol.Call) -> tuple[str, dict[str, Any]]:
    return call.path, json.loads(call.body)


def test_a_chat_request_sends_messages_and_sampling_parameters() -> None:
    params = GenerationParams(
        temperature=0.7, top_p=0.9, max_tokens=9, stop=("END",), seed=5, repetition_penalty=1.1, logprobs=3
    )
    assert sent(protocol.chat_call(ChatRequest(messages=HELLO, params=params), endpoint())) == (
        "/v1/chat/completions",
        {
            "model": "m",
            "messages": [{"role": "user", "content": "Hello"}],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 9,
            "stop": ["END"],
            "seed": 5,
            "repetition_penalty": 1.1,
            "logprobs": True,
            "top_logprobs": 3,
        },
    )


def test_defaults_are_left_to_the_server_but_greedy_decoding_is_asked_for() -> None:
    _, body = sent(protocol.chat_call(ChatRequest(messages=HELLO), endpoint()))
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.0,
        "max_tokens": 512,
    }


@pytest.mark.parametrize(
    ("dialect", "field", "value"),
    [
        ("structured_outputs", "structured_outputs", {"choice": ["A", "B"]}),
        ("guided", "guided_choice", ["A", "B"]),
    ],
)
def test_choices_are_constrained_in_the_servers_dialect(dialect: Any, field: str, value: object) -> None:
    request = ChatRequest(messages=HELLO, choices=("A", "B"))
    _, body = sent(protocol.chat_call(request, endpoint(structured=dialect)))
    assert body[field] == value


@pytest.mark.parametrize("dialect", ["response_format", "none"])
def test_choices_are_left_out_where_the_server_cannot_constrain_them(dialect: Any) -> None:
    plain = ChatRequest(messages=HELLO)
    constrained = ChatRequest(messages=HELLO, choices=("A", "B"))
    server = endpoint(structured=dialect)
    assert protocol.chat_call(constrained, server) == protocol.chat_call(plain, server)


@pytest.mark.parametrize(
    ("dialect", "field", "path"),
    [
        ("structured_outputs", "structured_outputs", ("json",)),
        ("guided", "guided_json", ()),
        ("response_format", "response_format", ("json_schema", "schema")),
    ],
)
def test_a_schema_is_sent_in_the_servers_dialect(dialect: Any, field: str, path: tuple[str, ...]) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "integer"}}}
    _, body = sent(protocol.chat_call(ChatRequest(messages=HELLO, schema=schema), endpoint(structured=dialect)))
    found = body[field]
    for key in path:
        found = found[key]
    assert found == schema


def test_a_prefill_is_an_open_last_message() -> None:
    _, body = sent(protocol.chat_call(ChatRequest(messages=HELLO, prefill="Sure,"), endpoint()))
    assert body["messages"][-1] == {"role": "assistant", "content": "Sure,"}
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False


def test_a_base_model_is_asked_on_the_completions_route_with_its_template() -> None:
    server = endpoint(plain_template=HumanAssistant(), bos="<bos>")
    request = ChatRequest(messages=HELLO, params=GenerationParams(stop=("END",)))
    path, body = sent(protocol.chat_call(request, server))
    assert path == "/v1/completions"
    assert body["prompt"] == "<bos>\n\nHuman: Hello\n\nAssistant:"
    assert body["stop"] == ["END", "\n\nHuman:"]
    _, started = sent(protocol.chat_call(ChatRequest(messages=HELLO, prefill="Sure,"), server))
    assert started["prompt"] == "<bos>\n\nHuman: Hello\n\nAssistant: Sure,"


def test_bos_stands_in_front_of_raw_prompts_once() -> None:
    for prompt in ("Once upon", "<bos>Once upon"):
        _, body = sent(protocol.prompt_call(PromptRequest(prompt=prompt), endpoint(bos="<bos>")))
        assert body["prompt"] == "<bos>Once upon"


@pytest.mark.parametrize("route", ["classify", "pooling"])
def test_rewards_are_raw_logits_of_the_conversation_as_it_is(route: Any) -> None:
    request = RewardRequest(messages=(*HELLO, Message("assistant", "Hi")))
    path, body = sent(protocol.reward_call(request, endpoint(reward_route=route)))
    assert path == f"/{route}"
    assert body["use_activation"] is False
    assert body["add_generation_prompt"] is False
    assert body.get("task") == ("classify" if route == "pooling" else None)


def test_extra_fields_go_into_every_generation_request() -> None:
    server = endpoint(extra_body={"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}})
    for call in (
        protocol.chat_call(ChatRequest(messages=HELLO), server),
        protocol.prompt_call(PromptRequest(prompt="x"), server),
    ):
        assert sent(call)[1]["top_k"] == 20
    assert sent(protocol.tokenize_chat_call(HELLO, server))[1]["chat_template_kwargs"] == {"enable_thinking": False}


def test_an_endpoint_never_shows_its_key() -> None:
    assert "sk-secret" not in repr(endpoint(api_key="sk-secret"))
    assert endpoint(api_key="sk-secret").redact("bad key sk-secret!") == "bad key ***!"


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", "http://[::1/v1", "http://u:sk-secret@h/v1"],
)
def test_an_address_that_cannot_work_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(SpecError) as refusal:
        Endpoint(base_url=url, served_name="m")
    assert "sk-secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://h:1/v1", "http://h:1/v1/", "http://h:1", "http://h:1/"])
def test_the_root_of_a_server_is_found_with_and_without_v1(url: str) -> None:
    assert Endpoint(base_url=url, served_name="m").root_url == "http://h:1"
