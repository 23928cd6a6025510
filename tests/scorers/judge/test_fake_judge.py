"""The fake judge, as the openai client sees it."""

import openai
import pytest
from fake_judge import Behaviour, FakeJudge


def ask(judge, item=0, max_retries=0, timeout=5.0, **options):
    with openai.OpenAI(base_url=judge.base_url, api_key="key-1", max_retries=max_retries, timeout=timeout) as client:
        text = f"Item {item}. A: quality=0.20 B: quality=0.70"
        options = {"model": "judge", "messages": [{"role": "user", "content": text}], **options}
        return client.chat.completions.create(**options)


def test_the_better_response_is_chosen_and_tokens_are_counted():
    with FakeJudge() as judge:
        answer = ask(judge)
    assert answer.choices[0].message.content.endswith("[[B]]")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (6, 12)
    assert (judge.calls, judge.answered, judge.repeats, judge.in_flight) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rate_limited", openai.RateLimitError),
        ("unavailable", openai.InternalServerError),
        ("server_error", openai.InternalServerError),
        ("out_of_quota", openai.RateLimitError),
        ("timeout", openai.APITimeoutError),
        ("dropped", openai.APIConnectionError),
        ("cut", openai.APIConnectionError),
        ("truncated_json", ValueError),
    ],
)
def test_a_transport_fault_passes_after_the_first_attempt(fault, error):
    with FakeJudge(Behaviour(**{fault: 1.0})) as judge:
        for item in range(2):
            with pytest.raises(error):
                ask(judge, item, timeout=0.3)
        if fault != "out_of_quota":
            ask(judge)
    assert judge.planted == {fault: 2}
