"""What every judge has: an introduction, prompts of its own as Jinja templates, and their hashes for the manifest."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

if TYPE_CHECKING:
    import jinja2

Kind = Literal["pairwise", "pointwise", "reward"]


class JudgeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How a judge introduces itself to `evalsuite judges` and to the report.

    `protocol` is a versioned id that changes when verdicts would; `prompts` names the templates it renders.
    """

    name: str
    kind: Kind
    summary: str
    protocol: str
    paper: str
    prompts: tuple[str, ...] = ()


class Judge:
    """Base class of judges: the definition (what is asked). Execution is in the subclasses, aggregation in `folds`."""

    info: ClassVar[JudgeInfo]

    def prompt_hashes(self) -> dict[str, str]:
        """SHA-256 of the source of every prompt this judge can render, by template name."""
        return {name: sha256(prompt_source(name).encode()).hexdigest() for name in self.info.prompts}


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("evalsuite.judges", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 — the output is a prompt, not HTML; answers are neutralised by `hardening`
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def render(name: str, **values: Any) -> str:
    """The prompt `prompts/<name>` filled in; a missing value is an error, never an empty string."""
    return _environment().get_template(name).render(**values).strip()


def prompt_source(name: str) -> str:
    """Source text of `prompts/<name>`, includes not resolved."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
