"""Puzzles about an order: queues, races, shelves, floors, programmes, heights, parked vans, openings of shops.

Each claim compares places in the order, and each list of claims leaves exactly one order. The question asks for the
order, or for one place in it. For example, `ferry_queue`:

    prompt a: ferry tickets, Split, queue of 4 (Ravi, Rafael, Zahra and Azadeh). Azadeh is somewhere ahead of Rafael;
        Ravi is somewhere ahead of Zahra; Rafael stands directly in front of Ravi. whats the order from the window
        backwards
    prompt b: the same, but "Zahra is somewhere ahead of Azadeh" instead of "Azadeh is somewhere ahead of Rafael"
    response x, right for a: Azadeh, Rafael, Ravi, Zahra. I checked it against each line you gave, and no alternative
        survives.
    response y, right for b: Rafael, Ravi, Zahra, Azadeh. I checked it against each line you gave, and no alternative
        survives.
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.prompts import join_words
from rewardbench.builders.templates.logic.puzzles import (
    Claim,
    Puzzle,
    claims,
    contrasting_claims,
    in_order,
    make_mirror,
    name_in_place,
    one_to_one,
)


def _order_puzzle(rng: Rng, names: Sequence[str], pool: list[Claim]) -> tuple[Puzzle, tuple[list[Claim], list[Claim]]]:
    """Return a puzzle in which each name has a place, from 1, and three claims for each prompt."""
    puzzle = one_to_one(names, range(1, len(names) + 1))
    return puzzle, contrasting_claims(rng, puzzle, pool, 3)


def ferry_queue(rng: Rng) -> MirrorContent:
    """Ask for the order of four people in a queue."""
    names, port = rng.people(4), rng.pick(("Split", "Zanzibar", "Puno", "Cebu", "Bergen", "Mombasa", "Piraeus"))
    pool = claims(
        "ahead", rng.pick(("{0} is somewhere ahead of {1}", "{1} gets served later than {0}")), "{0} < {1}", names
    )
    pool += claims("next", "{0} stands directly in front of {1}", "{0} + 1 == {1}", names)
    pool += claims("between", "there is exactly one person between {0} and {1}", "abs({0} - {1}) == 2", names)
    puzzle, premises = _order_puzzle(rng, names, pool)
    prompts = (
        "Four of us are queueing for the ferry in {port}: {names}. {s} Who is where, front to back?",
        "ferry tickets, {port}, queue of 4 ({names}). {l}. whats the order from the window backwards",
        (
            "You help the clerk at a ticket window in {port}.",
            "My four regulars are lined up and I only caught glimpses of them.\n{b}\nNobody else is there apart from"
            " {names}. In which order will they come to my window?",
        ),
        "Here is what I can make out from the deck of the boat:\n\n{n}\n\nThe line at the pier in {port} consists of"
        " {names}, all one behind the other. Please write down the line, starting with the one at its head.",
    )
    replies = ("{answer}. {why}", "Starting at the window: {answer}. {why}", "{how} The line runs like this: {answer}.")
    return make_mirror(
        rng, puzzle, premises, prompts, replies, in_order, port=port, names=join_words(rng.sample(names, 4))
    )


def finish_line(rng: Rng) -> MirrorContent:
    """Ask for the result of a race without ties."""
    names = rng.people(4)
    sport = rng.pick(("kayak", "sack", "sledge", "cross-country", "wheelchair", "mountain bike", "rowing"))
    pool = claims("beat", rng.pick(("{0} beat {1}", "{0} got home earlier than {1}")), "{0} < {1}", names)
    pool += claims("two", "{0} finished exactly two places behind {1}", "{0} == {1} + 2", names)
    pool += claims("next", "{0} came in immediately after {1}", "{0} == {1} + 1", names)
    puzzle, premises = _order_puzzle(rng, names, pool)
    prompts = (
        "The {sport} race at our village fair had four starters ({names}) and no ties. The judge lost the sheet, but"
        " we remember this much. {s} Who took gold, silver and bronze, and who came last?",
        (
            "i missed the {sport} race!! what happened",
            "I only have the notes somebody took: {l}. Four took part and no two arrived together.",
            "ok so reconstruct it for me, winner first. it was {names} racing",
        ),
        "Fill in the results of a {sport} race.\nStarters: {names}\nTies: none\nWhat is known:\n{b}\nI need places"
        " one to four.",
        (
            "You announce results over the loudspeaker. In this race nobody shares a place.",
            "{n}\n\nThat is all the helpers at the finish of the {sport} race saw of {names}. What will you announce,"
            " from gold down to fourth?",
        ),
    )
    replies = (
        "From the winner down to last place: {answer}. {why}",
        "{how} So the places one to four go to {answer}, in that order.",
        "The result: {answer}. {why}",
    )
    return make_mirror(
        rng, puzzle, premises, prompts, replies, in_order, sport=sport, names=join_words(rng.sample(names, 4))
    )


def spice_shelf(rng: Rng) -> MirrorContent:
    """Ask for the order of jars on a shelf, left to right."""
    jars = rng.sample(("cumin", "saffron", "sumac", "paprika", "turmeric", "ginger", "fennel", "nutmeg", "cardamom"), 4)
    pool = claims("left", "the {0} is to the left of the {1}, not necessarily right beside it", "{0} < {1}", jars)
    pool += claims("touch", "the {0} stands immediately to the left of the {1}", "{0} + 1 == {1}", jars)
    pool += claims("apart", "the {0} and the {1} do not touch", "abs({0} - {1}) > 1", jars)
    pool += claims("end", "the {0} is at one end of the shelf", "{0} in (1, 4)", jars)
    puzzle, premises = _order_puzzle(rng, jars, pool)
    prompts = (
        "My grandmother keeps four jars in one row and knows them by touch. They are {names}. {s} She cannot see any"
        " more, so please tell me the row from left to right and I will read it to her.",
        "spice rack, one row of four jars: {names}\n{b}\nleft to right?",
        "I am labelling a shelf before I put the jars ({names}) back into their old places, side by side. All I noted"
        " was: {l}. Which label goes where, reading from the left?",
        (
            "You are the patient helper of a cook.",
            "Put my jars in a row for me, please. These are the rules of my kitchen:\n{n}\nThe jars: {names}.",
        ),
    )
    replies = (
        "Left to right: {answer}. {why}",
        "{Answer}, reading from the left. {why}",
        "{how} From left to right the row is {answer}.",
    )
    return make_mirror(rng, puzzle, premises, prompts, replies, in_order, names=join_words(rng.sample(jars, 4)))


def tower_floors(rng: Rng) -> MirrorContent:
    """Ask who lives on which floor of a house, from below."""
    names, town = rng.people(4), rng.pick(("Tbilisi", "Montevideo", "Naples", "Busan", "Nairobi", "Porto", "Gdynia"))
    pool = claims("above", "{0} lives higher up than {1}", "{0} > {1}", names)
    pool += claims("over", "{0} hears the footsteps of {1} through the ceiling", "{0} + 1 == {1}", names)
    pool += claims("not", "{0} is neither on the top floor nor on the bottom one", "{0} in (2, 3)", names)
    pool += claims("apart", "{0} and {1} are not on neighbouring floors", "abs({0} - {1}) > 1", names)
    puzzle, premises = _order_puzzle(rng, names, pool)
    prompts = (
        "Our house in {town} has four floors with one tenant on each: {names}. You only ever hear whoever is directly"
        " overhead. {s} Name the tenants from the bottom floor up.",
        "new postman here ({town}), four storeys, one name per storey: {names}. no names at the doors! neighbours"
        " told me: {l}. (footsteps = the person one floor up.) who do i find on the way up, bottom first",
        (
            "I have parcels for {names}. They share a small house in {town}, one person on each of the four floors.",
            "Happy to help you sort them. What do you know about who lives where?",
            "Only this, from the caretaker:\n{b}\nBy footsteps she means those of the person on the very next floor."
            " Sort the parcels from the lowest floor to the highest.",
        ),
        "Each of {names} has a whole floor to themselves, in a four-storey tower in {town}. You always hear the"
        " person right above you, nobody else.\n\n{n}\n\nI'm painting the name board, so I need the names from the"
        " ground up.",
    )
    replies = (
        "Going up: {answer}. {why}",
        "{how} From the bottom floor to the top: {answer}.",
        "{answer}, lowest floor first. {why}",
    )
    return make_mirror(
        rng, puzzle, premises, prompts, replies, in_order, town=town, names=join_words(rng.sample(names, 4))
    )


def open_mic(rng: Rng) -> MirrorContent:
    """Ask which act of an evening is the first, second, third or fourth."""
    names, place = rng.people(4), rng.number(1, 4)
    pool = claims("before", "{0} is on before {1}", "{0} < {1}", names)
    pool += claims("straight", "{0} takes the stage straight after {1}", "{0} == {1} + 1", names)
    pool += claims("first", "either {0} or {1} opens the evening", "1 in ({0}, {1})", names)
    pool += claims("half", "{0} performs in the second half, so third or fourth", "{0} > 2", names)
    puzzle, premises = _order_puzzle(rng, names, pool)
    prompts = (
        "Open mic tonight at the {bar}. Four acts, one at a time: {names}. The host only gave me hints. {s} I want to"
        " film the {place} act, so who will that be?",
        "who's on {place} tonight? line-up at the {bar} is {names}, four slots, and the poster is a riddle:\n{b}",
        (
            "You answer the phone of the {bar} and know nothing but the notes of the stage manager.\nNotes:\n{n}",
            "Hi! I know that {names} are playing, one after the other. Whose set is the {place} of the four?",
        ),
        "I promised to be at the {bar} for the {place} of four turns and now I can't remember who that is. {names}"
        " each have one turn, and I do remember that {l}. Whom did I promise?",
    )
    replies = (
        "That would be {answer}. {why}",
        "{answer} has that slot. {why}",
        "{how} It is {answer} whom you will see then.",
    )
    fields = {
        "bar": rng.pick(("Blue Heron", "Old Cistern", "Paper Moon", "Three Herrings", "Tin Whistle", "Green Kettle")),
        "place": ("first", "second", "third", "fourth")[place - 1],
        "names": join_words(rng.sample(names, 4)),
    }
    return make_mirror(rng, puzzle, premises, prompts, replies, name_in_place(place - 1), **fields)


def growing_up(rng: Rng) -> MirrorContent:
    """Ask who is the tallest, second tallest, second shortest or shortest of four."""
    names, place = rng.people(4), rng.number(0, 3)
    pool = claims("taller", rng.pick(("{0} is taller than {1}", "{1} looks up at {0}")), "{0} < {1}", names)
    pool += claims("both", "{0} is shorter than both {1} and {2}", "{0} > {1} and {0} > {2}", names)
    pool += claims("between", "in height {0} comes between {1} and {2}", "min({1}, {2}) < {0} < max({1}, {2})", names)
    puzzle, premises = _order_puzzle(rng, names, pool)
    prompts = (
        "{names} are cousins and no two are equally tall. {s} Which cousin is the {who}?",
        "Costumes for the school play, four sizes. I never met the children, their teacher in {town} just wrote: {l}."
        " All of them ({names}) differ in height. Whose costume will be the {who} one's?",
        "who is the {who} out of {names}\n\n{n}\n\n(no two of the same height)",
        (
            "can you sort people by height from hints?",
            "Sure, send me the hints and tell me whom you are looking for.",
            "{b}\nthats all i got for {names}, no equals among them. looking for the {who}",
        ),
    )
    replies = ("It is {answer}. {why}", "{how} You are looking for {answer}.", "The answer is {answer}. {why}")
    fields = {
        "who": ("tallest", "second tallest", "second shortest", "shortest")[place],
        "town": rng.pick(("Izmir", "Tampere", "Salta", "Accra", "Hue", "Galway")),
        "names": join_words(rng.sample(names, 4)),
    }
    return make_mirror(rng, puzzle, premises, prompts, replies, name_in_place(place), **fields)


def parked_vans(rng: Rng) -> MirrorContent:
    """Ask for the order of parked vans, left to right."""
    vans = rng.sample(("red", "white", "black", "silver", "yellow", "orange", "purple", "green"), 4)
    pool = claims(
        "between", "the {0} van is between the {1} one and the {2} one", "min({1}, {2}) < {0} < max({1}, {2})", vans
    )
    pool += claims("right", "the {0} van is further to the right than the {1} one", "{0} > {1}", vans)
    pool += claims("end", "the {0} van is at the far left or the far right", "{0} in (1, 4)", vans)
    pool += claims("beside", "the {0} van and the {1} one are side by side", "abs({0} - {1}) == 1", vans)
    puzzle, premises = _order_puzzle(rng, vans, pool)
    prompts = (
        "From my office I see four vans parked in a row, {names}. {s} (Between means anywhere between.) Give me the"
        " row as I see it, from the left.",
        "Guess the row! Four delivery vans, one each of {names}, side by side in front of a bakery.\n{b}\n'Between'"
        " does not have to mean right next to. Left to right, as seen from the bakery?",
        (
            "You keep the plan of a car park. Left and right are always as seen from the gate; between means anywhere"
            " between.",
            "Bays 1 to 4 from the left hold the {names} vans, I forgot in which order. The guard says: {l}. Which"
            " colour is in which bay?",
        ),
        "Toy vans for my nephew, glued in a line: {names}. He dictated how he wants them, and by between he means"
        " anywhere between.\n\n{n}\n\nSo I glue them in which order, left to right?",
    )
    replies = (
        "From the left: {answer}. {why}",
        "{how} Left to right they are {answer}.",
        "{Answer}, beginning on the left. {why}",
    )
    return make_mirror(rng, puzzle, premises, prompts, replies, in_order, names=join_words(rng.sample(vans, 4)))


def old_street(rng: Rng) -> MirrorContent:
    """Ask in which order four shops opened."""
    shops = rng.sample(("bakery", "pharmacy", "bookshop", "florist", "tailor", "butcher", "tearoom", "cobbler"), 4)
    pool = claims("before", "the {0} was there before the {1}", "{0} < {1}", shops)
    pool += claims(
        "during",
        "when the {0} opened, exactly one of the others, the {1}, was already open",
        "{0} == 2 and {1} == 1",
        shops,
    )
    pool += claims("after", "the {0} opened after the {1} but before the {2}", "{1} < {0} < {2}", shops)
    pool += claims("last", "the newest of them is the {0} or the {1}", "4 in ({0}, {1})", shops)
    puzzle, premises = _order_puzzle(rng, shops, pool)
    prompts = (
        "I am writing a leaflet on our old street. Four shops opened there in four different years: the {names}. An"
        " old neighbour remembers the following. {s} List them from oldest to newest.",
        "which of these came first, second, third, fourth? {names}. all opened in different years. {l}",
        "Local history quiz, question {k}:\n{n}\nPut the {names} in order of opening, the earliest first. (No two"
        " opened in the same year.)",
        (
            "You check the facts for a local paper. The shops in question all opened in different years.",
            "In the piece about the {names} I have these lines:\n{b}\nI would like a little timeline beside it,"
            " oldest first.",
        ),
    )
    replies = (
        "By age, oldest first: {answer}. {why}",
        "{how} From oldest to newest: {answer}.",
        "{Answer}, in order of opening. {why}",
    )
    return make_mirror(
        rng, puzzle, premises, prompts, replies, in_order, k=rng.number(3, 19), names=join_words(rng.sample(shops, 4))
    )


TEMPLATES = (ferry_queue, finish_line, spice_shelf, tower_floors, open_mic, growing_up, parked_vans, old_street)
