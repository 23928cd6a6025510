"""Messages of items: roles, tool calls, and hostile markdown."""

from html.parser import HTMLParser

import pytest

pytest.importorskip("gradio")

from rewardbench.leaderboard.app.conversation import LONGEST_MARKDOWN, render_markdown, show_message
from rewardbench.leaderboard.app.frame import make_card
from rewardbench.leaderboard.app.markup import render
from rewardbench.types import Item

ALLOWED = set("p em strong s ul ol li blockquote table thead tbody tr th td hr br pre code".split())
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <b onclick='alert(1)'>bold</b>",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](data:text/html;base64,PHNjcmlwdD4=)",
    "[click](https://evil.example/ \"x' onmouseover='alert(1)\")",
    '[click](https://evil.example/"onmouseover="alert(1))',
    "<https://evil.example>",
    "https://evil.example",
    "![x](https://evil.example/pixel.png)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![<script>](x)",
    "[ref]\n\n[ref]: javascript:alert(1)",
    "[ref]\n\n[ref]: https://evil.example",
    "```html onload=alert(1)\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\ncode\n```',
    "    <script>alert(1)</script>",
    "`<script>`",
    "> <iframe src=//evil.example>\n>\n> - <svg/onload=alert(1)>",
    "<div>\n\n*nested* <script>alert(1)</script>\n\n</div>",
    "<!-- --><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "| a | b |\n|:-|-:|\n| <script> | [x](javascript:1) |",
    "${alert(1)} {{constructor}} `${x}`",
    "# <script>\n\nTitle <i>\n===",
    '<a href="x">[y](z)</a>',
    "a\x00b\x1b[31m\u202e",
)


class Tags(HTMLParser):
    """Tags and attributes of HTML, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_has_no_link_image_script_or_attribute_of_the_text(text):
    page = str(render_markdown(text))
    tags = Tags(page)
    assert tags.tags <= ALLOWED
    assert set(tags.attributes) <= {("class", "rb-heading")}
    assert "${" not in page
    assert "{{" not in page


def test_markdown_keeps_its_text_and_structure():
    page = render_markdown(
        "# Title\n\n4. **four**\n5. `five`\n\n> ~~no~~\n\n| a |\n|-|\n| 1 |\n\n```py\nx = 1 < 2\n```"
    )
    tags = Tags(str(page))
    assert tags.tags == {*"p strong s ol li blockquote table thead tbody tr th td pre code".split()}
    assert ("start", "4") in tags.attributes
    assert "x = 1 < 2" in tags.text
    assert "Title" in tags.text
    linked = Tags(str(render_markdown("[the paper](https://a.example/b) and <https://c.example> ![plot](d.png)")))
    assert linked.text == "the paper (https://a.example/b) and https://c.example [image: plot] (d.png)"


@pytest.mark.parametrize("text", ["> " * 9_000 + "a", "*" * 19_000 + "a", "[a](" * 4_000, "- " * 9_000, "`a" * 9_000])
def test_deep_and_long_markdown_is_parsed_in_bounded_time(text):
    import time

    start = time.process_time()
    assert Tags(str(render_markdown(text))).tags <= ALLOWED
    assert time.process_time() - start < 5


def test_a_long_text_stays_plain():
    message = {"role": "user", "content": "*a* " * LONGEST_MARKDOWN}
    assert show_message(message, with_markdown=True).markdown is None
    assert show_message({"role": "user", "content": "*a*"}, with_markdown=True).markdown == "<p><em>a</em></p>"
    assert show_message({"role": "user", "content": "*a*"}).markdown is None


def conversation():
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": {"id": "P-1"}}}
    prompt = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How many <b>parcels</b>?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": '{"count": 3}', "tool_call_id": "c1"},
        {"role": "user", "content": "Well?"},
        {"role": '"><script>alert(1)</script>', "content": "odd"},
    )
    right = ({"role": "assistant", "content": "*Three.*"},)
    wrong = ({"role": "assistant", "content": "Let me see.", "tool_calls": ["<script>"]},)
    return Item("a", "s", prompt, (right, wrong))


def test_a_card_shows_the_role_of_each_message_in_order():
    card = make_card(conversation(), "title", (0.5, 0.25))
    assert [message.kind for message in card.prompt] == ["system", "user", "assistant", "tool", "user", "other"]
    assert card.prompt[2].text == 'Call: look_up({"id": "P-1"})'
    assert card.completions[1].messages[0].text == 'Let me see.\nCall: "<script>"'
    page = str(
        render(
            "hardest.html",
            message="",
            suites=["s"],
            suite="s",
            num_missed=0,
            num_items=1,
            num_models=2,
            query={},
            is_markdown=False,
            cards=[card],
        )
    )
    tags = Tags(page)
    assert not {"script", "b"} & tags.tags
    labels = [value for name, value in tags.attributes if name == "class" and value.startswith("rb-role")]
    assert labels == [f"rb-role {kind}" for kind in "system user assistant tool user other assistant assistant".split()]
    assert "chosen +0.500" in tags.text
    assert "*Three.*" in tags.text
    marked = make_card(conversation(), "title", with_markdown=True)
    assert marked.completions[0].messages[0].markdown == "<p><em>Three.</em></p>"


def test_a_completion_without_text_says_so_where_scores_are_shown():
    item = Item("a", "s", (), ((), ()))
    assert make_card(item, "title").completions == ()
    assert "not available" in make_card(item, "title", (1.0, 0.0)).completions[0].messages[0].text
