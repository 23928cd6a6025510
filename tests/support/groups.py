"""Small suites whose groups are true mirrors, squares and mirrors in several styles."""

from rewardbench.types import Item, ItemScores, Message, Rule, Suite

STYLES = ("{}", "- **{}**", "{} Put differently, that is the answer to what you wanted to know.", "I think: {}")


def answer(text):
    return (Message(role="assistant", content=text),)


def row(id, subset, group, prompt, right, wrong, **columns):
    """Return an item with one right response and the wrong ones."""
    completions = (answer(right), *map(answer, wrong))
    return Item(id, subset, (Message(role="user", content=prompt),), completions, 1, group, meta=columns)


def mirror(group, subset="facts", x=None, y=None, **columns):
    """Return the two items of a mirror."""
    x, y = x or f"{group} yes", y or f"{group}, no, certainly not"
    return [
        row(f"{group}-a", subset, group, f"is it {group}", x, [y], **columns),
        row(f"{group}-b", subset, group, f"isn't it {group}", y, [x], **columns),
    ]


def square(group, subset="squares", **columns):
    """Return the four items of a square, whose responses have different lengths."""
    responses = [f"{group} answer " + "x" * size for size in (1, 30, 7, 2)]
    items = []
    for n, right in enumerate(responses):
        wrong = [response for response in responses if response != right]
        items.append(row(f"{group}-{n + 1}", subset, group, f"question {n} of {group}", right, wrong, **columns))
    return items


def styled(group, subset="style", **columns):
    """Return the 32 items of a mirror whose responses stand in four styles each, in all combinations."""
    items = []
    for n, (right, wrong) in enumerate((("yes, it is", "no, it is not"), ("no, it is not", "yes, it is"))):
        for i, dress in enumerate(STYLES):
            for j, other in enumerate(STYLES):
                id, level = f"{group}-{n}{i}{j}", ("easy" if i > j else "normal" if i == j else "hard")
                texts = dress.format(right), [other.format(wrong)]
                items.append(row(id, subset, group, f"question {n}", *texts, level=level, **columns))
    return items


def suite_of(*groups, rules=None, **fields):
    """Return a suite of groups that counts by mirrors; each subset is a section of its name unless rules say more."""
    items = [item for group in groups for item in group]
    return Suite("made", "r1", tuple(items), rules or {}, headline="mirror", **fields)


def scored(suite, rule):
    """Return the scores that a rule, a function of prompt and response, gives the items of a suite."""
    item_scores = []
    for item in suite.items:
        prompt = item.prompt[0]["content"]
        values = tuple(rule(prompt, completion[0]["content"]) for completion in item.completions)
        item_scores.append(ItemScores(item.id, values))
    return item_scores


def by_name(estimates):
    return {estimate.name: estimate.value for estimate in estimates}


def rung_suite(mirrors=4):
    """Return a ladder of two subsets with two templates, four rungs and `mirrors` mirrors a rung."""
    groups = []
    for subset in ("rules", "scopes"):
        for rung in (1, 2, 3, 4):
            for n in range(mirrors):
                groups.append(mirror(f"{subset}-{rung}-{n}", subset, rung=rung, template=f"{subset}/{n % 2}"))
    rules = {"rules": Rule("Instructions", weight=1.0), "scopes": Rule("Instructions", weight=1.0)}
    return suite_of(*groups, rules=rules, breakdowns={"rung": "mirror"}, cluster_by="template")
