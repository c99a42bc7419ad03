from __future__ import annotations

import pytest

from evalsuite.reports.redaction import REDACTED, redact, redact_all, remove_environment_secrets


@pytest.mark.parametrize(
    "text",
    [
        "openai:judge,api_key=sk-abcdefghijklmnopqrstuvwx",
        "Authorization: Bearer abcdef0123456789",
        "https://user:hunter2@host:8000/v1",
        "Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwx",
        "hf_abcdefghijklmnopqrstuvwxyz in the log",
        'password: "correct-horse"',
    ],
)
def test_keys_and_passwords_are_taken_out(text: str) -> None:
    found = redact(text)
    assert REDACTED in found
    for secret in ("abcdefghij", "0123456789", "hunter2", "correct-horse"):
        assert secret not in found


def test_ordinary_words_stay() -> None:
    text = "the sky-high task-specific risk-neutral token count of http://127.0.0.1:8000/v1#model"
    assert redact(text) == text


def test_secrets_of_this_environment_are_taken_out_whatever_they_look_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "plain words only")
    assert remove_environment_secrets("it said: plain words only!") == f"it said: {REDACTED}!"


def test_nested_data_is_redacted_in_keys_and_values() -> None:
    assert redact_all({"env": ["api_key=abcdefgh", 3]}) == {"env": [f"api_key={REDACTED}", 3]}
