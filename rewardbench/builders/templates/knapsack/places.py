"""Templates about space and money to fill: garden beds, disks, tables, fridges, funds and pages.

Example of a mirror, from `newspaper_page`:

    prompt a: "40 lines left on the page, small ads: bakery 30 for 12 lines, circus 51 for 25 lines, ..."
    prompt b: "40 lines left on the page, small ads: bakery 30 for 25 lines, circus 51 for 12 lines, ..."
    response x, right for a: "Print the bakery and the dentist. Income: 30 + 64 = 94. ..."
    response y, right for b: "Print the circus and the dentist. Income: 51 + 64 = 115. ..."
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

CROPS = "okra, leeks, chard, beetroot, garlic, fennel, cabbages, radishes, cassava"
GAMES = "Starforge, Hollow Pass, Tiny Harbour, Rift Kings, Moss, Night Tram, Cloud Ranch, Ember"
WARES = "baskets, candles, honey jars, scarves, mugs, postcards, soaps, wooden toys"
DISHES = "samosas, arepas, falafel, churros, pierogi, poutine, satay, empanadas"
PROJECTS = "well, clinic roof, school bus, solar pump, footbridge, library van, seed bank, workshop"
NOTICES = "bakery, circus, dentist, ferry line, optician, hat shop, driving school, piano tuner"


def garden_beds(rng: Rng, wording: int) -> MirrorContent:
    """Swap the way in which crops are grown; each way needs different lengths of bed."""
    pair = draw_pair(rng, CROPS, 5, weights=(2, 13, 1), worths=(6, 34, 1), change=redraw_weights((2, 13, 1)))
    sown, planted = rng.sample(("single rows", "double rows", "mounds", "squares"), 2)
    method, other_method = swapped(sown, planted)
    place, metres = rng.pick(("allotment", "school garden", "monastery garden", "back yard")), pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"There are {metres} metres of bed left in our {place}. Expected harvest in kg, and the metres needed when "
        f"grown in {sown} or in {planted}:\n{pair.rows('{name}: {worth} kg, {weight_a} m or {weight_b} m')}\n"
        f"We're going to use {method} because {other_method} didn't work last year. A crop is grown completely or not "
        "at all. What do we grow for the largest harvest?",
        f"{place}, bed of {metres} m, all in {method}, nothing in {other_method}. "
        + pair.rows(f"{{name}} {{worth}} kg, {{weight_a}} m in {sown}, {{weight_b}} m in {planted}", "; ")
        + ". what to grow for the most kg",
        (
            f"What's better for a {place}, {sown} or {planted}?",
            f"That depends on the soil: on heavy soil choose {method}, on sandy soil {other_method}.",
            f"Heavy soil, so I'll follow that for all of them. I have {metres} metres. Crop, kg, metres in {sown}, "
            f"metres in {planted}: {pair.rows('{name}, {worth}, {weight_a}, {weight_b}', '; ')}. Which crops yield "
            "the most kg altogether, each grown once?",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Grow {p.names}. You harvest {p.sum} kg from the bed that you have.",
            lambda p: f"{capitalize_first(p.names)} yield the most, {p.sum} kg. There is no room for {p.left_out}.",
        )
    )
    return knapsack_mirror("in which of two ways the crops are grown", prompts[wording], pair, write)


def disk_space(rng: Rng, wording: int) -> MirrorContent:
    """Swap the free space of two devices, and ask which games to install on one of them."""
    pair = draw_pair(rng, GAMES, 5, weights=(5, 48, 1), worths=(12, 90, 1), change=change_capacity(4, 8))
    tablet, laptop = rng.sample(("tablet", "laptop", "handheld", "old PC"), 2)
    person = rng.people(1)[0]
    prompts: tuple[PromptTemplate, ...] = (
        f"{person} has a long train ride and no internet. Free on the {tablet}: {pair.capacity} GB. Free on the "
        f"{laptop}: {pair.other_capacity} GB. The games, with their size and the hours of fun {person} expects:\n"
        f"{pair.rows('- {name}: {weight} GB, {worth} hours')}\nOnly the {tablet} is coming along. Which games should "
        "be on it for the most hours?",
        f"game / GB / my rating: {pair.rows('{name} / {weight} / {worth}', ', ')}. {laptop} has {pair.other_capacity} "
        f"GB free and the {tablet} {pair.capacity}. need the highest total rating on the {tablet}. what do i install",
        (
            f"Storage: the {laptop} has {pair.other_capacity} GB left, the {tablet} has {pair.capacity} GB left. "
            "Installed games never get split between devices. When asked for a selection, maximise the total rating.",
            f"I'd like to fill the {tablet}. Ratings: {pair.rows('{name} {worth}', ', ')}. Sizes in GB: "
            f"{pair.rows('{name} {weight}', ', ')}.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Install {p.names}. The total is {p.sum}, in {p.load} GB.",
            lambda p: f"Go for {p.names}: {p.sum} in total. Don't install {p.left_out}.",
        )
    )
    return knapsack_mirror("which device has how much space", prompts[wording], pair, write)


def market_table(rng: Rng, wording: int) -> MirrorContent:
    """Swap the lengths of two of the wares for a market table."""
    pair = draw_pair(rng, WARES, 5, weights=(30, 140, 10), worths=(21, 95, 1), change=swap_weights)
    town, length = rng.pick(("Tbilisi", "Antigua", "Ghent", "Luang Prabang")), pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"My stall at the Sunday market in {town} has a table of {length} cm. From past weeks I know what each kind "
        f"of ware takes in and how much of the table it needs:\n{pair.rows('{name} ({weight} cm): {worth}')}\n"
        "With less than its length a kind isn't worth showing. What do I put out to take in the most?",
        f"table {length} cm. {pair.rows('{name} need {weight} cm and make {worth}', ', ')}. no stacking, no half "
        "displays. what goes on the table for best takings?",
        (
            f"Stall planner: takings per kind of ware are {pair.rows('{name} {worth}', ', ')}; table needed is "
            f"{pair.rows('{name} {weight} cm', ', ')}. Each kind appears once or not at all.",
            f"hello, we're in {town} with a {length} cm table this time. which kinds give us the highest takings?",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Put out {p.names}. Expect takings of {p.sum} from the table.",
            lambda p: f"This table earns most with {p.names}: {p.sum}. Keep {p.left_out} in the car.",
        )
    )
    return knapsack_mirror("two of the wares have changed lengths", prompts[wording], pair, write)


def food_truck(rng: Rng, wording: int) -> MirrorContent:
    """Swap the event at which a food truck sells; its power there decides how much it can cool."""
    pair = draw_pair(rng, DISHES, 5, weights=(6, 40, 2), worths=(20, 99, 1), change=change_capacity(4, 12))
    match, concert = rng.sample(("football match", "jazz concert", "flea market", "campus fair"), 2)
    event, other_event = swapped(match, concert)
    town = rng.pick(("Montevideo", "Leeds", "Penang", "Nantes"))
    at_match, at_concert = pair.a.capacity, pair.b.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"With the power we get, our food truck can cool {at_match} litres at a {match} and {at_concert} litres at a "
        f"{concert}. Litres and profit of a full batch of each dish:\n{pair.rows('{name}: {weight}, {worth}')}\n"
        f"Tonight we park at the {event} in {town}, the {other_event} was called off. Which batches do we prepare for "
        "the highest profit? At most one batch per dish.",
        f"truck fridge = {at_match} litres at a {match}, {at_concert} at a {concert}. going to the {event} instead of "
        f"the {other_event}. one batch per dish max. {pair.rows('{name} {weight} l, profit {worth}', '; ')}. best "
        "batches for profit?",
        (
            f"Is it the {match} or the {concert} tonight?",
            f"According to your calendar it's the {event}. The {other_event} is next month.",
            f"Thanks! Then tell me which batches go in the fridge ({match}: {at_match} litres, {concert}: "
            f"{at_concert} litres) for the most profit. Litres: {pair.rows('{name} {weight}', ', ')}. Profit: "
            f"{pair.rows('{name} {worth}', ', ')}. One batch of each at most.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Prepare {p.names}. The profit is {p.sum}, and the fridge holds {p.load} litres.",
            lambda p: f"{capitalize_first(p.names)} are the best choice tonight: {p.sum}. Leave out {p.left_out}.",
        )
    )
    return knapsack_mirror("at which of two events the truck sells", prompts[wording], pair, write)


def village_grants(rng: Rng, wording: int) -> MirrorContent:
    """Swap the sizes of two funds, and ask which projects one of them should pay for."""
    pair = draw_pair(rng, PROJECTS, 5, weights=(6, 40, 1), worths=(15, 90, 1), change=change_capacity(3, 7))
    water, youth = rng.sample(("harvest fund", "jubilee fund", "river fund", "lottery fund"), 2)
    region = rng.pick(("Turkana", "Chiapas", "Ladakh", "Epirus"))
    prompts: tuple[PromptTemplate, ...] = (
        f"Our foundation works in {region}. The {water} has {pair.capacity} thousand euros and the {youth} "
        f"{pair.other_capacity} thousand. Applications, with the cost in thousands and the households reached:\n\n"
        f"{pair.rows('{name} | {weight} | {worth}')}\n\n"
        "We pay a project in full or decline it, and money from the two funds can't be mixed. Which ones should the "
        f"{water} pay for so that the number of households is as high as possible?",
        f"grant round {region}, amounts in thousands. {youth}: {pair.other_capacity}. {water}: {pair.capacity}. "
        f"applications (cost, households): {pair.rows('{name} {weight}, {worth}', '; ')}. full funding only. best set "
        f"for the {water} to reach most households",
        (
            "You advise a foundation. Projects get their full cost or nothing. Suggest the set that reaches the most "
            f"households. Available in thousands: {water} {pair.capacity}, {youth} {pair.other_capacity}.",
            f"We'd like a proposal for the {water} only. "
            f"{pair.rows('The {name} costs {weight} and reaches {worth}.', ' ')}",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Fund {p.the_names}. They reach {p.sum} households and cost {p.load} thousand.",
            lambda p: f"The best set is {p.the_names}, for {p.sum} households. Decline: {p.left_out}.",
        )
    )
    return knapsack_mirror("which fund has how much", prompts[wording], pair, write)


def newspaper_page(rng: Rng, wording: int) -> MirrorContent:
    """Swap the lengths of two of the ads for a newspaper page."""
    pair = draw_pair(rng, NOTICES, 5, weights=(6, 34, 1), worths=(14, 75, 1), change=swap_weights)
    town, lines = rng.pick(("Reykjavík", "Windhoek", "Salta", "Trieste")), pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"Page three of our weekly in {town} has {lines} lines free for small ads. These came in, with the lines they "
        f"take and what they pay:\n{pair.rows('{Name}, {weight} lines, {worth}')}\n"
        "None may be shortened or printed twice. Which ones do we print to earn the most?",
        f"{lines} lines left on the page, small ads: {pair.rows('{name} {worth} for {weight} lines', ', ')}. cant "
        "shorten them. which ones make the most money together?",
        (
            "Hello, I need help with our page of small ads. No ad is cut, none runs twice.",
            "Of course. How much space is there, and what have you received?",
            f"{capitalize_first(pair.rows('the {name} wants {weight} lines and pays {worth}', ', '))}. And {lines} "
            "lines of space. I'm after the highest income.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Print {p.the_names}. Income: {p.sum}. They fill the page as far as it pays.",
            lambda p: (
                f"{capitalize_first(p.the_names)} together pay best: {p.sum}. There's no space for {p.the_left_out}."
            ),
        )
    )
    return knapsack_mirror("two of the ads have changed lengths", prompts[wording], pair, write)


TEMPLATES = tuple(with_wordings(garden_beds, disk_space, market_table, food_truck, village_grants, newspaper_page))
