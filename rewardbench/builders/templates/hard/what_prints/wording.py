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
OUTLINES = (
    "Then {code} and the lines that belong to it do their part, with {name} and the list as the step before left them.",
    "The next part starts at {code}; it reads the values so far, and what it writes goes into the parts below.",
    "After that comes {code}. Its result depends on {name} and on the list at this point, so I carry both along.",
    "{code} is next, together with its lines: they work on the values that are there by now, and pass them on.",
    "With {code}, the program goes on from the current state, and again {name} or the list may change.",
    "At {code} there is a detail of {lang} that is easy to overlook, so I take these lines slowly, one by one.",
    "Now {code}: I apply it exactly as {lang} defines it to what {name} and the list hold here.",
    "The lines from {code} on come next, and here the order of evaluation and the kind of each value matter.",
    "{code} follows. I note the new {name} and the new list on paper before I go on to the part after it.",
)
ENDINGS = (
    "So the printed line is {output}.",
    "The output is {output}.",
    "It prints {output}.",
    "What appears on the screen: {output}",
    "Printed: {output}",
)
