"""Names of variables, and the sentences of prompts and responses."""

from __future__ import annotations

NUMBER_NAMES = ("x", "total", "acc", "score", "state", "level", "credit", "mark", "t", "balance")
LIST_NAMES = ("data", "nums", "items", "vals", "xs", "queue", "marks", "readings", "row", "stock")
OTHER_NAMES = (
    "alt base batch bits block bonus box buf cache cells chunk code copy deck draft extra fetch gap grid group hold "
    "hook ids keep left lot mask mate nest node pack pair part peer pile pool probe rank rest ring seq shelf side slot "
    "span spare tally tape tier trail tray twin view wing zone"
).split()

ASKS = (
    "What does this {lang} program print?\n\n{code}",
    "{code}\n\nwhat's the output? walk me through it briefly, i keep getting it wrong",
    "Without running it: what comes out here?\n\n{code}\n\nShort steps, then the printed line.",
    "Found this in an old interview sheet ({lang}). What is printed, and how do you get there?\n\n{code}",
    "hey, quick one. {lang}:\n\n{code}\n\nwhat will it print exactly?",
    "Please trace the following code and tell me the exact output.\n\n{code}",
    "My colleague and I bet on the output of this {lang} snippet. Who's right depends on you:\n\n{code}",
    "Exam question 4 ({lang}, no computer allowed). State the values on the way and the line that is printed."
    "\n\n{code}",
    "i'd like to understand every step of this {lang} code\n\n{code}\n\nwhat is its output in the end?",
    "Dry run, please.\n\n{code}\n\nGive the intermediate values and the final output.",
    "Output of this one? I have no {lang} on this machine.\n\n{code}",
    "For our quiz night: a {lang} puzzle. I need the printed line with a short explanation.\n\n{code}",
)
SYSTEMS = (
    "",
    "",
    "",
    "You are a tutor for programming. Be exact, and keep explanations short.",
    "Answer questions on code step by step. Current language versions apply.",
    "The user cannot run code here. Trace it for them.",
)
OPENINGS = (
    "It starts with {x} and {data} = {values}.",
    "At the beginning {x}, and {data} is {values}.",
    "Initial values: {x}, {data} = {values}.",
    "Before anything happens, {x} and {data} has {values}.",
)
STEPS = (
    "With {code} and what belongs to it, {remark}; then {x} and the list is {data}.",
    "From {code} on: {remark}. After that, {x}, and the list reads {data}.",
    "The part that begins with {code}: {remark}, so {x} and the list {data}.",
    "Next comes {code}. Here {remark}, which leaves {x} and the list {data}.",
    "{code} and its lines: {remark}. Now {x}; the list holds {data}.",
    "Then {code}. In it, {remark}; we get {x} with the list {data}.",
    "At {code}, {remark}. That makes {x}, and {data} for the list.",
    "After {code} and the lines that go with it, {x} and the list is {data}, because {remark}.",
)
ENDINGS = (
    "So the printed line is {output}.",
    "The output is {output}.",
    "It prints {output}.",
    "What appears on the screen: {output}",
    "Printed: {output}",
)

CHURN_NAMES = ("churn", "stir", "grind", "rework", "evolve", "simulate", "crank", "advance", "spin", "knead")
HELPER_NAMES = "wrap fold adjust pull mix bend tune shrink blend settle trim press twist wind lift gauge skew".split()
STEP_NAMES = ("step", "turn", "lap", "tick", "day", "cycle")
LONG_ASKS = (
    "What does this {lang} program print?\n\n{code}",
    "{code}\n\nwhat's the output? the number is enough, plus two or three sentences on what it does",
    "Without running it: what comes out here?\n\n{code}\n\nI don't need the values on the way, only the printed line.",
    "Found this in an old {lang} repo, with no comment at all. Roughly what does it do, and what is printed?\n\n{code}",
    "hey, {lang} again:\n\n{code}\n\nwhat will it print exactly? pls no long trace",
    "I have to enter the output of this program in a form, and {lang} isn't installed here.\n\n{code}\n\nA short "
    "description and the exact output, please.",
    "My colleague and I bet on the number that this {lang} program prints. Who's right depends on you:\n\n{code}",
    "Exam question 4 ({lang}, no computer allowed): describe the program in general terms and state its output."
    "\n\n{code}",
    "i need the expected value for a unit test of this, so the exact printed line\n\n{code}",
    "Dry run, please.\n\n{code}\n\nOnly the result, and a summary of how the program works.",
    "Output of this one? I have no {lang} on this machine.\n\n{code}",
    "For our quiz night, the tie-break: a {lang} program. Who has the exact number wins.\n\n{code}\n\nSo what is it?",
)
LONG_SYSTEMS = (
    "",
    "",
    "",
    "You are a tutor for programming. Be exact, and keep explanations short.",
    "Answer questions on code. Current language versions apply.",
    "The user cannot run code here. Say what it prints.",
)
LONG_OPENINGS = (
    "First {number} and {list} go through a few short statements, then {churn} does most of the work.",
    "The program has two stages: some lines that prepare {number} and {list}, and the call of {churn}.",
    "Most of the time is spent in {churn}; what precedes it only sets up {number} and {list}.",
    "Two variables matter, {number} and {list}. They are changed at first line by line, and after that in {churn}.",
    "{churn} is called once, with what the lines before it made of {list} and {number}.",
)
LOOP_REMARKS = (
    "It has a loop of {rounds} rounds.",
    "There are {rounds} rounds in it, each of which depends on the one before.",
    "Its loop runs {rounds} times, and every pass starts from what the last one left.",
    "I carried the number and the list through all {rounds} rounds.",
    "{rounds} passes of the loop have to be made, in order.",
)
SPREAD_REMARKS = (
    "Before the loop, the elements and the number are spread over a wider range.",
    "At first, every element and the number itself are multiplied and reduced, which makes them larger.",
    "What comes in is small; a multiplication with a remainder turns it into larger numbers before round one.",
    "The function begins with a pass that scales the list, and the number with it.",
)
DIGEST_REMARKS = (
    "After the last round, one more pass over the list combines it with the number, and only this result is returned.",
    "In the end the list is folded into the number, so that each element counts in the result.",
    "The value that comes back is a remainder made of the last number and of every element, in order.",
    "A closing loop takes all elements into the number; the list itself is not printed.",
)
REMARKS = (
    "The rules of {lang} for remainders, copies and indices apply throughout.",
    "A slip in any round would spoil all that follows, so I kept every number exact.",
    "The order of the statements in a round matters: each sees what those above it did.",
    "Nothing in it is random, so the line is the same every time.",
    "No value gets so large that the integers of {lang} cannot hold it.",
)
LONG_ENDINGS = (
    "So the printed line is {output}.",
    "The output is {output}.",
    "It prints {output}.",
    "What appears on the screen: {output}",
    "Printed: {output}",
)
