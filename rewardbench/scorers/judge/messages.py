"""Messages of a judge protocol: Jinja2 templates, run in its sandbox, and the variables that they can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict

VARIABLES: Mapping[str, str] = {
    "conversation": "the prompt as text: the content of a single user turn, else every turn under the name of its role",
    "question": "content of the last user turn",
    "turns": "the messages of the prompt, each with `role` and `text`",
    "transcripts": "for each response the turns of the prompt and of that response, each with `role` and `text`",
    "responses": "texts of the completions, in the order shown",
    "labels": "labels of the completions, in the order shown",
    "count": "number of completions shown",
    "code": "8 digits that mark the headings of a prompt: a hash of its texts, so that none of them can contain it",
    "subset": "name of the item's subset; needs sees_subset: true",
    "reference": "reference answer of the item; needs sees_reference: true",
    "principle": "principle by which to judge; needs sees_principle: true",
    "turn": "in a message with `each: turn`, that turn of the prompt, with `role` and `text`",
    "response": "in a message with `each: response`, the text of that completion",
    "number": "in a message with `each`, its number, from 1",
}
"""What a template can show."""

CONTEXT = {
    "subset": "no subset",
    "reference": "no reference answer: add a column `reference`",
    "principle": "no principle: pass --principle, or add a column `principle`",
}
"""Variables that come with an item, and what is missing where an item has none."""

RESPONSES = {"responses", "response", "transcripts"}
"""Variables that show the completions."""
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


class OfficialPrompts(BaseModel):
    """Published texts that messages name as in `<<NAME>>`; they are read from a file at run time (see `official`)."""

    model_config = STRICT

    path: str
    """Path of the file, or of a folder of text files, in the package or repository that publishes it."""
    obtain: str = ""
    """How to get the file: a clause such as "clone github.com/org/name"."""
    style: Literal["format", "jinja", "plain"] = "format"
    """Syntax of the texts: fields of `str.format`, Jinja2, or none."""
    fields: dict[str, str] = {}
    """What each field of the texts shows: an expression of the variables, or another text, `<<NAME>>`."""
    plain: tuple[str, ...] = ()
    """Texts without fields, whose braces are shown as they are."""
    sha256: str | None = None
    """Hash of the messages with the texts in their places; None until they are read."""

    @property
    def advice(self) -> str:
        """Return what to do if the file is missing."""
        obtain = f"{self.obtain}, and " if self.obtain else ""
        return f"{obtain}pass --prompts with the path of its {self.path}."


class Turn(BaseModel):
    """A message of the prompt; `role` and `content` are Jinja templates (see `VARIABLES`)."""

    model_config = STRICT

    role: str
    """Usually system or user; some judges have roles of their own, such as response_1 and principle."""
    content: str
    each: Literal["turn", "response"] | None = None
    """Repeat this message for each turn of the prompt, or for each response, for judges that get them as messages."""

    @property
    def variables(self) -> frozenset[str]:
        """Return the variables that the templates show. Raises TemplateError if one is not valid."""
        return _undeclared(self.role) | _undeclared(self.content)


def check_templates(turns: Sequence[Turn], context: Sequence[str]) -> None:
    """Check the templates of messages: their syntax, and the variables that they show.

    Args:
        turns: the messages of a protocol.
        context: which of `subset`, `reference` and `principle` the protocol declares.

    Raises:
        ValueError: if a template is not valid; names the message.
    """
    for position, turn in enumerate(turns, 1):
        try:
            names = turn.variables
        except TemplateError as error:
            raise ValueError(f"message {position} is not a valid template: {error}") from error
        allowed = VARIABLES.keys() - {"turn", "response", "number"}
        allowed |= {turn.each, "number"} if turn.each else set()
        for name in sorted(names):
            if name in CONTEXT and name not in context:
                raise ValueError(f"message {position} shows {name}: set sees_{name}: true")
            if name not in allowed:
                variables = ", ".join(sorted(allowed))
                raise ValueError(f"message {position} shows {name}, which is not among {variables}")


def shows_responses(turns: Sequence[Turn]) -> bool:
    """Return True if one of the messages shows the completions."""
    return any(turn.variables & RESPONSES for turn in turns)


@cache
def compile_template(source: str) -> Template:
    """Compile a template. Raises TemplateError if it is not valid."""
    return _environment.from_string(source)


@cache
def _undeclared(source: str) -> frozenset[str]:
    return frozenset(find_undeclared_variables(_environment.parse(source)))
