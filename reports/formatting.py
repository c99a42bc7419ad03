"""How numbers and foreign text are shown: percent and percentage points, direction, control characters made visible."""

from __future__ import annotations

import re

MISSING = "n/a"

_PERCENT_SCALES = {"0-1", "-1-1"}

_NAMES = {
    0x061C: "ALM", 0x200B: "ZWSP", 0x200C: "ZWNJ", 0x200D: "ZWJ", 0x200E: "LRM", 0x200F: "RLM", 0x2028: "LSEP",
    0x2029: "PSEP", 0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO", 0x202E: "RLO", 0x2060: "WJ",
    0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xFEFF: "BOM",
}  # fmt: skip
# Joiners are part of emoji and of several scripts; only the marks that reorder or hide text are replaced.
_REORDERING = {code: name for code, name in _NAMES.items() if code not in (0x200C, 0x200D)}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff" + "".join(map(chr, _REORDERING)) + "]")


def visible(text: object) -> str:
    """Text with the characters that reorder or hide other text replaced by their names, such as `⟦RLO⟧`."""
    return _CONTROL.sub(lambda match: f"⟦{_REORDERING.get(ord(match[0]), f'U+{ord(match[0]):04X}')}⟧", str(text))


def is_percent(scale: str) -> bool:
    """Whether values on this scale are shown as percent."""
    return scale in _PERCENT_SCALES


def number(value: float | None, scale: str = "") -> str:
    """A value as people read it: `62.5%` on a 0–1 scale, three significant digits elsewhere, `n/a` when unknown."""
    if value is None or value != value:
        return MISSING
    if is_percent(scale):
        return f"{100 * value:.1f}%".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def difference(value: float | None, scale: str = "") -> str:
    """A signed difference: `+4.2 pp` (percentage points) on a 0–1 scale."""
    if value is None or value != value:
        return MISSING
    shown = f"{100 * value:+.1f} pp" if is_percent(scale) else f"{value:+.3g}"
    return shown.replace("-", "−")


def interval(low: float | None, high: float | None, scale: str = "", *, signed: bool = False) -> str:
    """`[58.1%, 66.4%]`, signed `[−1.0, +3.0] pp`, or `n/a` when an end is unknown."""
    if low is None or high is None:
        return MISSING
    if not signed:
        return f"[{number(low, scale)}, {number(high, scale)}]"
    ends = [difference(end, scale) for end in (low, high)]
    unit = " pp" if is_percent(scale) else ""
    return f"[{', '.join(end.removesuffix(unit) for end in ends)}]{unit}"


def count(value: int | None) -> str:
    """A count with thousands separated by thin spaces."""
    return MISSING if value is None else f"{value:,}".replace(",", "\u202f")


def spoken(metric: str) -> str:
    """A metric's name in words."""
    return metric.replace("_", " ")


def uncapital(words: str) -> str:
    """Words as they stand inside a sentence: `Refused by API` → `refused by API`."""
    return words[:1].lower() + words[1:]


def direction(higher_is_better: bool | None) -> str:
    """An arrow that says which way is better, empty when neither is."""
    return {True: "↑", False: "↓", None: ""}[higher_is_better]
