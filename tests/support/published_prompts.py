"""Files of the shape in which the prompts of judges are published, with other words."""

from pathlib import Path

# The shape of the published files: implicit and explicit concatenation, braces, names of other texts, and code.
PAIRS = '''
import a_client_that_is_not_installed

raise SystemExit("executed")
system = (
    "Which of the two is better? "
    'Say "[[A]]" or "[[B]]".'  # no tie
)
prompt_v2_gemini = "Only '[[A]]' or '[[B]]'; no {braces}.\\n"
MTBENCH_V2 = {
    "name": "pair",
    "system_prompt": system,
    "prompt_template": "[Q]\\n{question}\\n\\n[A]\\n{answer_a}\\n[/A]\\n" + "[B]\\n{answer_b}\\n[/B]",
    "limits": [1, 2],
}
MTBENCH_MULTI_V2: dict = {
    "system_prompt": system + " Look at the second turn.",
    "prompt_template": (
        "A:\\n{question_1}\\n{answer_a_1}\\n{question_2}\\n{answer_a_2}\\n\\n\\n"
        "B:\\n{question_1}\\n{answer_b_1}\\n{question_2}\\n{answer_b_2}"
    ),
}
RUBRIC_LINES = """
[Good?]
1: {never}
"""
AUTOJ_COARSE_SCORE_RUBRIC = RUBRIC_LINES.strip()
REL_SYSTEM_PROMPT = "Be fair {always}."
RELATIVE_PROMPT = """
Task {{"format": "json"}}
{orig_instruction}
A: {response_A}
B: {response_B}
{score_rubric}
Feedback: """
OFFSETBIAS_PROMPT = """Select (a) or (b).
{instruction}
(a): {output_1}
(b): {output_2}"""
CON_J_PROMPT = """选。 {{"更好的回答": 1}}
{instruction}
1: {output_1}
2: {output_2}"""
RISE_Judge_PROMPT = "{instruction} A: {output_1} B: {output_2}"
Atla_PROMPT = "{user_input} A: {assistant_response_a} B: {assistant_response_b}"
ratings_prompt = """
Rate from 1 to 10.
{prompt}
---
{completion}
Rating:"""
RM_R1_INSTRUCT_SYSTEM_PROMPT = "Solve it {first}, then <answer>[[A]]</answer> or <answer>[[B]]</answer>."
RM_R1_SINGLE_TURN_INSTRUCT_USER_PROMPT = "Q {question} A {answer_a} B {answer_b}"
RM_R1_SINGLE_TURN_REASONING_USER_PROMPT = "Think. Q {question} A {answer_a} B {answer_b}" + "\\n\\n" + "Verdict:"
GENRM_PROMPT_TEMPLATE = "Context {context}\\nResponses\\n{responses}\\n\\\\boxed{{x, y}}"
'''
FOURS = """
prompt_v2 = "Which of the four is the best?"
MTBENCH_V2 = {
    "system_prompt": prompt_v2,
    "prompt_template": "{question}\\n[A]{answer_a}[B]{answer_b}[C]{answer_c}[D]{answer_d}",
}
ratings_prompt = "Rate it.\\n{prompt}\\n{completion}\\n"
ratings_prompt_ties = "Rate it; length is no matter.\\n{prompt}\\n{completion}\\n"
"""


def write_published(folder: Path) -> Path:
    """Write the files at the places where they are published; return the folder."""
    files = {
        "rewardbench/generative.py": PAIRS,
        "rewardbench/generative_v2.py": FOURS,
        "eval/reward-bench/rewardbench/generative.py": PAIRS,
        "examples/prompts/genrm.py": PAIRS,
        "utils/templates/arena_hard_judge_system.jinja2": "Which is better? [[A>B]] or [[B>A]]\n",
        "utils/templates/arena_hard_judge_prompt.jinja2": "{{prompt}}\nA: {{answer_a}}\nB: {{answer_b}}",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder
