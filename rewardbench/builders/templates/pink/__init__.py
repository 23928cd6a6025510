"""Pink elephants: a rule forbids one subject and wants another, and the user asks about the first.

This builder has no template functions but stages, each of which a language model can take over: topics, contrasting
pairs, plans, dialogues, critique, and revision of the last reply. To add material, write a topic into one of the files
`topics_*.toml` (see `material`). Example of a mirror of the kind "free":

    prompt a: system "Never mention ale, speak of lager instead.", user "... I want ale, don't bring up lager."
    prompt b: system "Please be brief and friendly.", user "... I want ale, don't bring up lager."
    response x, right for a: "I'd say lager, and some of it goes into the pot."
    response y, right for b: "Take ale, and pour a little into the pot."
"""

from rewardbench.builders.templates.pink.backends import Backend, OpenAIBackend, TemplateBackend
from rewardbench.builders.templates.pink.pipeline import build
from rewardbench.builders.templates.pink.stages import stages_summary

__all__ = ["Backend", "OpenAIBackend", "TemplateBackend", "build", "stages_summary"]
