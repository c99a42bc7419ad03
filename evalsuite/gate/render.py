"""A verdict as text, JSON, JUnit XML or GitHub-flavoured Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import msgspec

from evalsuite.gate.result import GateResult, GuardrailVerdict, MetricVerdict

_HEADLINES = {
    "pass": "PASS: the candidate may be released",
    "fail": "FAIL: the candidate got worse",
    "inconclusive": "INCONCLUSIVE: the evidence does not decide",
    "invalid": "INVALID: the evidence cannot be used",
}


def as_text(result: GateResult) -> str:
    """For people at a terminal."""
    lines = [_HEADLINES[result.outcome], f"candidate {result.candidate}, baseline {result.baseline}"]
    if result.from_ledger:
        lines.append(f"this question was answered on {result.answered}: stored verdict {result.key}")
    lines += [f"  {problem}" for problem in result.problems]
    for verdict in result.metrics:
        lines.append(f"  {verdict.outcome.upper():12} {_name(verdict)}: {_claim(verdict)}")
        lines.append(f"               {verdict.explanation}")
        lines.append(f"               {_rule(verdict)}")
    for guardrail in result.guardrails:
        lines.append(f"  {guardrail.outcome.upper():12} {_name(guardrail)}: {guardrail.explanation}")
    return "\n".join(lines)


def as_json(result: GateResult) -> str:
    """For programs; everything the verdict rests on."""
    value = {**msgspec.to_builtins(result), "exit_code": result.exit_code}
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def as_markdown(result: GateResult) -> str:
    """For a pull request."""
    lines = [f"### {_HEADLINES[result.outcome]}", ""]
    lines.append(f"`{_cell(result.candidate)}` against `{_cell(result.baseline)}`")
    if result.from_ledger:
        lines.append(f"(stored verdict of {result.answered})")
    lines += ["", *(f"- {_cell(problem)}" for problem in result.problems)]
    if result.metrics:
        lines += ["", "| verdict | metric | difference | margin | n | rule |", "|---|---|---|---|---|---|"]
        for verdict in result.metrics:
            cells = (
                f"**{verdict.outcome}**", _name(verdict), _interval(verdict), f"{verdict.margin:g}",
                f"{verdict.n} of {verdict.n_planned}", verdict.rule,
            )  # fmt: skip
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    lines += [
        f"- **{guardrail.outcome}** {_cell(_name(guardrail))}: {_cell(guardrail.explanation)}"
        for guardrail in result.guardrails
    ]
    return "\n".join(lines) + "\n"


def as_junit(result: GateResult) -> str:
    """For CI servers: one test case per metric and guardrail; inconclusive is an error, not a failure."""
    cases = list(_cases(result))
    suite = ElementTree.Element(
        "testsuite",
        name="evalsuite gate",
        tests=str(len(cases)),
        failures=str(sum(kind == "failure" for _, kind, _ in cases)),
        errors=str(sum(kind == "error" for _, kind, _ in cases)),
    )
    for name, kind, text in cases:
        case = ElementTree.SubElement(suite, "testcase", classname="evalsuite.gate", name=_xml(name))
        if kind:
            ElementTree.SubElement(case, kind, message=_xml(text)).text = _xml(text)
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(text)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


FORMATS: dict[str, Callable[[GateResult], str]] = {
    "text": as_text,
    "json": as_json,
    "junit": as_junit,
    "markdown": as_markdown,
}


def _cases(result: GateResult) -> Iterator[tuple[str, str | None, str]]:
    kinds = {"pass": None, "fail": "failure", "inconclusive": "error", "invalid": "error"}
    for verdict in result.metrics:
        text = f"{_claim(verdict)}. {verdict.explanation} {_rule(verdict)}"
        yield _name(verdict), kinds[verdict.outcome], text
    for guardrail in result.guardrails:
        yield _name(guardrail), kinds[guardrail.outcome], guardrail.explanation
    for problem in result.problems:
        yield "validity", "error", problem


def _name(verdict: MetricVerdict | GuardrailVerdict) -> str:
    name = f"{verdict.task}/{verdict.metric}" + (f"[{verdict.slice}]" if verdict.slice else "")
    return name + (" against the anchor" if isinstance(verdict, MetricVerdict) and verdict.against == "anchor" else "")


def _claim(verdict: MetricVerdict) -> str:
    what = "net win" if verdict.form == "head-to-head" else "difference"
    return f"{what} {_interval(verdict)}, margin {verdict.margin:g}, n = {verdict.n} of {verdict.n_planned}"


def _interval(verdict: MetricVerdict) -> str:
    if verdict.difference is None:
        return "n/a"
    if verdict.low is None or verdict.high is None:
        return f"{verdict.difference:+.4f} [n/a]"
    return f"{verdict.difference:+.4f} [{verdict.low:+.4f}, {verdict.high:+.4f}]"


def _rule(verdict: MetricVerdict) -> str:
    parts = [
        f"rule: {verdict.rule}; PASS rejects <= {-verdict.margin:g} at {verdict.alpha_pass:g}",
        f"FAIL rejects >= {verdict.fail_null:g} at {verdict.alpha_fail:g}",
        f"{len(verdict.looks)} looks, {verdict.spent} judged, {verdict.saved} saved",
    ]
    return ", ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _xml(text: str) -> str:
    """XML 1.0 has no control characters; labels may."""
    return "".join(
        character if character >= " " or character in "\t\n" else "\N{REPLACEMENT CHARACTER}" for character in text
    )
