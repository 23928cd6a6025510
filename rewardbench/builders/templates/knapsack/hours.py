"""Templates about time to fill: a radio show, a day of revision, a festival, an afternoon, a machine, a stage.

Example of a mirror, from `exam_revision`:

    prompt a: "I have 11 hours for revision on Friday and 14 hours on Sunday. ... What do I revise on Friday ...?"
    prompt b: "I have 14 hours for revision on Friday and 11 hours on Sunday. ... What do I revise on Friday ...?"
    response x, right for a: "Revise optics and ecology. You gain 24 + 17 = 41 marks and need 7 + 4 = 11 hours."
    response y, right for b: "Revise optics and genetics. You gain 24 + 26 = 50 marks and need 7 + 7 = 14 hours."
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.knapsack.packing import (
    ResponseWriter,
    capitalize_first,
    change_capacity,
    draw_pair,
    knapsack_mirror,
    redraw_weights,
    swap_weights,
)

SEGMENTS = "gardening tips, book review, street poll, film quiz, recipe, choir recording, history minute, satire"
TOPICS = "optics, genetics, statistics, enzymes, acoustics, mechanics, ecology, titration"
FILMS = "Saltwater, The Ninth Bell, Paper Kites, Low Tide, Mirador, Winter Bees, Kiosk, Two Ferries"
REPAIRS = "toaster, accordion, pram, blender, mixer, lantern, scooter, turntable"
JOBS = "gear wheel, chess set, lamp shade, phone stand, plant pot, door hook, bird ring, whistle"
ACTS = "fire juggler, shadow theatre, brass band, puppeteers, tightrope, drum circle, poetry duel, magician"


def radio_programme(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two audiences a radio show is made for; their shows have different lengths."""
    pair = draw_pair(rng, SEGMENTS, 5, weights=(4, 26, 1), worths=(10, 49, 1), change=change_capacity(3, 9))
    young, old = rng.sample(("students", "farmers", "commuters", "night workers", "pensioners"), 2)
    audience, other_audience = swapped(young, old)
    young_length, old_length = pair.a.capacity, pair.b.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"Our local station has two shows (music covers the gaps): {young_length} minutes for {young} and "
        f"{old_length} minutes for {old}. Test listeners gave points to each segment:\n"
        f"{pair.rows('{name}, {weight} min: {worth}')}\n"
        f"Tonight's show is the one for {audience}, not the one for {other_audience}. Which segments, each once and "
        "uncut, have the most points together?",
        f"todays show is for {audience} (the one for {other_audience} is next week). {young} get {young_length} min, "
        f"{old} get {old_length} min. {pair.rows('{name} {weight} min, {worth} points', '; ')}. no segment can be cut "
        "or repeated. want the most points",
        (
            f"You put together radio shows out of ready-made segments, none of them cut. A show for {young} lasts "
            f"{young_length} minutes, one for {old} {old_length}. The sum of the listeners' points decides.",
            f"Tuesday we broadcast for {audience} and Wednesday for {other_audience}. What should run on Tuesday? "
            f"Minutes, points: {pair.rows('{name} {weight}, {worth}', '; ')}.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Broadcast {p.the_names}. Points: {p.sum}. Running time: {p.load} minutes.",
            lambda p: f"I'd run {p.the_names}, which gets {p.sum} points. Leave out {p.the_left_out} this time.",
        )
    )
    return knapsack_mirror("for which of two audiences the show is made", prompts[wording], pair, write)


def exam_revision(rng: Rng, wording: int) -> MirrorContent:
    """Swap the hours of two days of revision."""
    pair = draw_pair(rng, TOPICS, 5, weights=(2, 9, 1), worths=(5, 28, 1), change=change_capacity(2, 3))
    friday, sunday = rng.sample(("Monday", "Thursday", "Friday", "Sunday"), 2)
    exam = rng.pick(("the entrance exam", "my resit", "the state exam", "my finals"))
    prompts: tuple[PromptTemplate, ...] = (
        f"I have {pair.capacity} hours for revision on {friday} and {pair.other_capacity} hours on {sunday}. For "
        f"every topic I've guessed how long it takes and how many marks it would add in {exam}:\n"
        f"{pair.rows('{name} - {weight} h - {worth} marks')}\nA topic half revised adds nothing. What do I revise on "
        f"{friday} if I want the most marks out of that day alone?",
        f"{exam}: {pair.rows('{name} {weight}h +{worth}', ', ')} (hours, marks gained, only if done completely). free "
        f"time {sunday} {pair.other_capacity}h, {friday} {pair.capacity}h. best use of {friday}, looking at that day "
        "only?",
        (
            f"Could you plan a day of revision for me? It's about {exam}.",
            "Gladly. How many hours do you have, and which topics are open?",
            f"On {sunday} {pair.other_capacity} hours, on {friday} {pair.capacity}. Please plan only {friday}, with "
            "the largest gain in marks. A topic must be finished to count. "
            f"{pair.rows('{Name}: {weight} hours, {worth} marks.', ' ')}",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Revise {p.names}. You gain {p.sum} marks and need {p.load} hours.",
            lambda p: (
                f"{capitalize_first(p.names)} give you the most that day: {p.sum} marks. Skip {p.left_out} for now."
            ),
        )
    )
    return knapsack_mirror("how many hours each of two days has", prompts[wording], pair, write)


def film_festival(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two people goes to a festival; they have different times for films."""
    pair = draw_pair(rng, FILMS, 5, weights=(45, 150, 5), worths=(11, 50, 1), change=change_capacity(15, 45))
    ann, bob = rng.people(2)
    guest, companion = swapped(ann, bob)
    town = rng.pick(("Locarno", "Busan", "Ouagadougou", "Valdivia"))
    ann_time, bob_time = pair.a.capacity, pair.b.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"At the festival in {town}, {ann} would have time for {ann_time} minutes of film and {bob} for {bob_time} "
        f"minutes. The programme, with the critics' points:\n\n"
        f"{pair.rows('{name} ({weight} min): {worth}')}\n\n"
        f"It's {guest} who goes, {companion} has to work. Which films, each seen to its end, make the highest total?",
        f"{ann} has {ann_time} min for cinema, {bob} {bob_time} min. every film at most once and to the end. "
        f"{pair.rows('{name} {weight} min {worth} points', ', ')}. only one ticket left and its {guest}s, not "
        f"{companion}s. which films for the most points?",
        (
            f"You pick films for guests of the festival in {town}. Films aren't left early. {bob} has {bob_time} "
            f"minutes, {ann} has {ann_time}. A guest wants the greatest sum of points.",
            f"Points: {pair.rows('{name} {worth}', ', ')}. Lengths in the same order: {pair.rows('{weight}', ', ')} "
            f"min. The guest is {guest}; {companion} is ill.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Watch {p.names}. That makes {p.sum} points in {p.load} minutes.",
            lambda p: f"{capitalize_first(p.names)} it is: {p.sum} points. Not today: {p.left_out}.",
        )
    )
    return knapsack_mirror("which of two people goes", prompts[wording], pair, write)


def repair_cafe(rng: Rng, wording: int) -> MirrorContent:
    """Swap the times of two of the repairs that a volunteer can do in an afternoon."""
    pair = draw_pair(rng, REPAIRS, 5, weights=(15, 95, 5), worths=(6, 35, 1), change=swap_weights)
    person, town = rng.people(1)[0], rng.pick(("Tartu", "Leuven", "Dunedin", "Porto Alegre"))
    minutes = pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"{person} is alone at the repair café in {town} this afternoon and has {minutes} minutes. On the bench:\n"
        f"{pair.rows('* {name}: {weight} minutes, owner donates {worth}')}\n"
        f"Donations come only for finished repairs. Which ones should {person} do to raise the most?",
        f"donations promised: {pair.rows('{name} {worth}', ', ')}. repair time in min: "
        f"{pair.rows('{name} {weight}', ', ')}. {minutes} min until we close, one person repairing. whats the best "
        "choice for the till?",
        (
            f"how long will {person} be there?",
            "I can't see the rota here. Could you tell me?",
            f"found it, {minutes} minutes. ok so which repairs bring in the most donations in that time? "
            f"{pair.rows('the {name} takes {weight} and brings {worth}', ', ')}",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Repair {p.the_names}. Donations: {p.sum}. There is time for all of that.",
            lambda p: (
                f"The best afternoon is {p.the_names}, with {p.sum} in donations; the owners of {p.the_left_out} must "
                "wait."
            ),
        )
    )
    return knapsack_mirror("two of the repairs have changed times", prompts[wording], pair, write)


def print_queue(rng: Rng, wording: int) -> MirrorContent:
    """Swap the material of a 3D printer; with each one the orders take different times."""
    pair = draw_pair(rng, JOBS, 5, weights=(2, 14, 1), worths=(7, 38, 1), change=redraw_weights((2, 14, 1)))
    resin, nylon = rng.sample(("resin", "nylon", "cork filament", "PLA"), 2)
    material, other_material = swapped(resin, nylon)
    hours = pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"The 3D printer at our makerspace is mine for {hours} hours. I'll use {material} throughout since the "
        f"{other_material} has run out. Each order with its price and the hours it would take in {resin} and in "
        f"{nylon}:\n"
        f"{pair.rows('{name}, price {worth}: {weight_a} h, {weight_b} h')}\n"
        "One of each is wanted. Which orders should I accept to sell for as much as possible?",
        f"printing in {material} today, not {other_material}. {hours} h of machine time. "
        + pair.rows(f"{{name}}: {resin} {{weight_a}} h, {nylon} {{weight_b}} h, sells at {{worth}}", " // ")
        + ". which prints earn most, one of each?",
        (
            "Each print job counts once. For the machine time stated, name the jobs that earn the most, with the "
            f"sum. Today's material is {material}. Tomorrow's is {other_material}.",
            f"{hours} hours free today. Jobs as (price, hours in {resin}, hours in {nylon}): "
            f"{pair.rows('{name} ({worth}, {weight_a}, {weight_b})', ', ')}.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Print {p.the_names}. They sell for {p.sum}, and no other choice that fits sells for as much.",
            lambda p: f"{capitalize_first(p.the_names)} earn the most: {p.sum}.\nTurn down: {p.left_out}.",
        )
    )
    return knapsack_mirror("which of two materials is printed", prompts[wording], pair, write)


def street_stage(rng: Rng, wording: int) -> MirrorContent:
    """Swap the lengths of two of the acts for a street stage."""
    pair = draw_pair(rng, ACTS, 5, weights=(10, 55, 5), worths=(12, 60, 1), change=swap_weights)
    town, minutes = rng.pick(("Galway", "Kraków", "Oaxaca", "Jaipur")), pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"Street festival, {town}. The permit allows {minutes} minutes of performance on the small stage, changeovers "
        "not counted. Expected coins in the hat, in hundreds, are in brackets. "
        f"{pair.rows('{Name}: {weight} minutes ({worth}).', ' ')} Everybody performs in full or not at all. Who "
        "should go on if the hat is to be as full as possible?",
        f"{minutes} min stage permit!! acts (length, guests they pull in): "
        f"{pair.rows('{name} {weight} min {worth}', ', ')}. everyone plays their whole act once or not at all. who do "
        "we book for the most guests?",
        (
            f"Which acts have applied for the small stage in {town}?",
            f"Five of them: {pair.rows('{name} ({worth} votes)', ', ')}.",
            f"Lengths: {pair.rows('{name} {weight} min', ', ')}. With {minutes} minutes on the permit and no act "
            "shortened, which acts give the highest number of votes?",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Put on {p.the_names}. That makes {p.sum}, within the permit.",
            lambda p: f"The best bill is {p.the_names}: {p.sum}. Turned away: {p.left_out}.",
        )
    )
    return knapsack_mirror("two of the acts have changed lengths", prompts[wording], pair, write)


TEMPLATES = tuple(with_wordings(radio_programme, exam_revision, film_festival, repair_cafe, print_queue, street_stage))
