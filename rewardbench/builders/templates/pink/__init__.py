"""Pink elephants: a rule says never to name one thing and to speak of another, and the user asks for the first.

Not moulds but stages, each of which a language model can take over: topics, contrasting pairs, plans, dialogues,
critique, and revision of the last reply.
"""

from rewardbench.builders.templates.pink.backends import Backend, OpenAIBackend, TemplateBackend
from rewardbench.builders.templates.pink.pipeline import build
from rewardbench.builders.templates.pink.stages import stages_summary

__all__ = ["Backend", "OpenAIBackend", "TemplateBackend", "build", "stages_summary"]
