"""Time to fill: what fits into a programme, a day, an evening."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.knapsack.packing import (
    Tell,
    capital,
    draw_case,
    other_room,
    other_weights,
    other_worths,
    pack,
    weights_exchanged,
    worths_exchanged,
)

SEGMENTS = "gardening tips, book review, street poll, film quiz, recipe, choir recording, history minute, satire"
TOPICS = "optics, genetics, statistics, enzymes, acoustics, mechanics, ecology, titration"
FILMS = "Saltwater, The Ninth Bell, Paper Kites, Low Tide, Mirador, Winter Bees, Kiosk, Two Ferries"
REPAIRS = "toaster, accordion, pram, blender, mixer, lantern, scooter, turntable"
JOBS = "gear wheel, chess set, lamp shade, phone stand, plant pot, door hook, bird ring, whistle"
ACTS = "fire juggler, shadow theatre, brass band, puppeteers, tightrope, drum circle, poetry duel, magician"


def radio_programme(rng: Rng, wording: int) -> MirrorContent:
    """Segments of a show that two audiences have rated differently."""
    case = draw_case(rng, SEGMENTS, 5, (4, 26, 1), (10, 49, 1), other_worths((10, 49, 1)))
    young, old = rng.sample(("students", "farmers", "commuters", "night workers", "pensioners"), 2)
    here, there = swapped(young, old)
    length = case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"We've got {length} minutes to fill on our local station (music covers the gaps). Test listeners gave points "
        f"to each segment, the first number from {young}, the second from {old}:\n"
        f"{case.rows('{name}, {weight} min: {worth_a} / {worth_b}')}\n"
        f"The programme is for {here}, not for {there}. Which segments, each once and uncut, please them the most?",
        f"show of {length} min for {here} (the one for {there} is next week). "
        + case.rows(f"{{name}} {{weight}} min, {young} {{worth_a}}, {old} {{worth_b}}", "; ")
        + ". no segment can be cut or repeated. want the most points from our audience",
        (
            f"You put together radio shows of at most {length} minutes out of ready-made segments. The sum of the "
            "points given by the audience of that show decides, nothing else.",
            f"Tuesday we broadcast for {here} and Wednesday for {there}. What should run on Tuesday? Minutes, points "
            f"from {young}, points from {old}: {case.rows('{name} {weight}, {worth_a}, {worth_b}', '; ')}.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Broadcast {p.the}. Points: {p.sum}. Running time: {p.load} minutes.",
            lambda p: f"I'd run {p.the}, which gets {p.sum} points. Leave out {p.the_left} this time.",
        )
    )
    return pack("for which of two audiences the show is made", frames[wording], case, tell)


def exam_revision(rng: Rng, wording: int) -> MirrorContent:
    """Hours of revision on one of two days."""
    case = draw_case(rng, TOPICS, 5, (2, 9, 1), (5, 28, 1), other_room(2, 3))
    friday, sunday = rng.sample(("Monday", "Thursday", "Friday", "Sunday"), 2)
    exam = rng.pick(("the entrance exam", "my resit", "the state exam", "my finals"))
    frames: tuple[PromptTemplate, ...] = (
        f"I have {case.room} hours for revision on {friday} and {case.rest} hours on {sunday}. For every topic I've "
        f"guessed how long it takes and how many marks it would add in {exam}:\n"
        f"{case.rows('{name} - {weight} h - {worth} marks')}\nA topic half revised adds nothing. "
        f"What do I revise on {friday} if I want the most marks out of that day alone?",
        f"{exam}: {case.rows('{name} {weight}h +{worth}', ', ')} (hours, marks gained, only if done completely). "
        f"free time {sunday} {case.rest}h, {friday} {case.room}h. best use of {friday}, looking at that day only?",
        (
            f"Could you plan a day of revision for me? It's about {exam}.",
            "Gladly. How many hours do you have, and which topics are open?",
            f"On {sunday} {case.rest} hours, on {friday} {case.room}. Please plan only {friday}, with the largest gain "
            f"in marks. A topic must be finished to count. {case.rows('{Name}: {weight} hours, {worth} marks.', ' ')}",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Revise {p.names}. You gain {p.sum} marks and need {p.load} hours.",
            lambda p: f"{capital(p.names)} give you the most that day: {p.sum} marks. Skip {p.left} for now.",
        )
    )
    return pack("how many hours each of two days has", frames[wording], case, tell)


def film_festival(rng: Rng, wording: int) -> MirrorContent:
    """Films for a day, chosen by the stars of one of two critics."""
    case = draw_case(rng, FILMS, 5, (45, 150, 5), (11, 50, 1), other_worths((11, 50, 1)))
    one, other = rng.people(2)
    here, there = swapped(one, other)
    town, minutes = rng.pick(("Locarno", "Busan", "Ouagadougou", "Valdivia")), case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"We're spending a day at the festival in {town}, long enough for {minutes} minutes of film. {one} and {other} "
        f"both scored the programme (length, {one}'s score, {other}'s score):\n\n"
        f"{case.rows('{name} ({weight} min): {worth_a}, {worth_b}')}\n\n"
        f"{here} gets to decide, {there} just comes along. Which films make the highest total for the one who decides?",
        f"{minutes} min of cinema, every film at most once and to the end. "
        + case.rows(f"{{name}} {{weight}} min ({one} {{worth_a}}, {other} {{worth_b}})", ", ")
        + f". its {here}s birthday, not {there}s, so go by the birthday childs points. what do we watch?",
        (
            f"You pick films for guests of the festival in {town}. Films aren't left early. A guest has "
            f"{minutes} minutes and wants the greatest sum of points on the guest's own list.",
            f"List of {one}: {case.rows('{name} {worth_a}', ', ')}. List of {other}: {case.rows('{worth_b}', ', ')}, "
            f"in the same order. Lengths in the same order: {case.rows('{weight}', ', ')} min. The guest is {here}; "
            f"{there} is ill.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Watch {p.names}. That makes {p.sum} points in {p.load} minutes.",
            lambda p: f"{capital(p.names)} it is: {p.sum} points. Not today: {p.left}.",
        )
    )
    return pack("whose scores decide", frames[wording], case, tell)


def repair_cafe(rng: Rng, wording: int) -> MirrorContent:
    """What a volunteer repairs in an afternoon; two donations are exchanged."""
    case = draw_case(rng, REPAIRS, 5, (15, 95, 5), (6, 35, 1), worths_exchanged)
    person, town = rng.people(1)[0], rng.pick(("Tartu", "Leuven", "Dunedin", "Porto Alegre"))
    minutes = case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"{person} is alone at the repair café in {town} this afternoon and has {minutes} minutes. On the bench:\n"
        f"{case.rows('* {name}: {weight} minutes, owner donates {worth}')}\n"
        f"Donations come only for finished repairs. Which ones should {person} do to raise the most?",
        f"donations promised: {case.rows('{name} {worth}', ', ')}. repair time in min: "
        f"{case.rows('{name} {weight}', ', ')}. {minutes} min until we close, one person repairing. whats the best "
        "choice for the till?",
        (
            f"how long will {person} be there?",
            "I can't see the rota here. Could you tell me?",
            f"found it, {minutes} minutes. ok so which repairs bring in the most donations in that time? "
            f"{case.rows('the {name} takes {weight} and brings {worth}', ', ')}",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Repair {p.the}. Donations: {p.sum}. Time: {p.load} minutes.",
            lambda p: (
                f"The best afternoon is {p.the}, with {p.sum} in donations; the owners of {p.the_left} must wait."
            ),
        )
    )
    return pack("two of the donations have changed places", frames[wording], case, tell)


def print_queue(rng: Rng, wording: int) -> MirrorContent:
    """Orders for a 3D printer whose two materials take different times."""
    case = draw_case(rng, JOBS, 5, (2, 14, 1), (7, 38, 1), other_weights((2, 14, 1)))
    resin, nylon = rng.sample(("resin", "nylon", "cork filament", "PLA"), 2)
    here, there = swapped(resin, nylon)
    hours = case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"The 3D printer at our makerspace is mine for {hours} hours. I'll use {here} throughout since the {there} has "
        f"run out. Each order with its price and the hours it would take in {resin} and in {nylon}:\n"
        f"{case.rows('{name}, price {worth}: {weight_a} h, {weight_b} h')}\n"
        "One of each is wanted. Which orders should I accept to sell for as much as possible?",
        f"printing in {here} today, not {there}. {hours} h of machine time. "
        + case.rows(f"{{name}}: {resin} {{weight_a}} h, {nylon} {{weight_b}} h, sells at {{worth}}", " // ")
        + ". which prints earn most, one of each?",
        (
            "Each print job counts once. For the machine time stated, name the jobs that earn the most, with the sum. "
            f"Today's material is {here}. Tomorrow's is {there}.",
            f"{hours} hours free today. Jobs as (price, hours in {resin}, hours in {nylon}): "
            f"{case.rows('{name} ({worth}, {weight_a}, {weight_b})', ', ')}.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Print {p.the}. They sell for {p.sum} and keep the machine busy for {p.load} hours.",
            lambda p: f"{capital(p.the)} earn the most: {p.sum}.\nTurn down: {p.left}.",
        )
    )
    return pack("which of two materials is printed", frames[wording], case, tell)


def street_stage(rng: Rng, wording: int) -> MirrorContent:
    """Acts for a street stage; two of them change lengths."""
    case = draw_case(rng, ACTS, 5, (10, 55, 5), (12, 60, 1), weights_exchanged)
    town, minutes = rng.pick(("Galway", "Kraków", "Oaxaca", "Jaipur")), case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"Street festival, {town}. The permit allows {minutes} minutes of performance on the small stage, changeovers "
        "not counted. Expected coins in the hat, in hundreds, are in brackets. "
        f"{case.rows('{Name}: {weight} minutes ({worth}).', ' ')} Everybody performs in full or not at all. "
        "Who should go on if the hat is to be as full as possible?",
        f"{minutes} min stage permit!! acts (length, guests they pull in): "
        f"{case.rows('{name} {weight} min {worth}', ', ')}. everyone plays their whole act once or not at all. "
        "who do we book for the most guests?",
        (
            f"Which acts have applied for the small stage in {town}?",
            f"Five of them: {case.rows('{name} ({worth} votes)', ', ')}.",
            f"Lengths: {case.rows('{name} {weight} min', ', ')}. With {minutes} minutes on the permit and no act "
            "shortened, which acts give the highest number of votes?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Put on {p.the}. That makes {p.sum}, and {p.load} minutes on stage.",
            lambda p: f"The best bill is {p.the}: {p.sum}. Turned away: {p.left}.",
        )
    )
    return pack("two of the acts have changed lengths", frames[wording], case, tell)


TEMPLATES = tuple(with_wordings(radio_programme, exam_revision, film_festival, repair_cafe, print_queue, street_stage))
