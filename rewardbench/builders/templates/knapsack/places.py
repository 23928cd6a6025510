"""Space and money to fill: beds, disks, tables, freezers, budgets, columns."""

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

CROPS = "okra, leeks, chard, beetroot, garlic, fennel, cabbages, radishes, cassava"
GAMES = "Starforge, Hollow Pass, Tiny Harbour, Rift Kings, Moss, Night Tram, Cloud Ranch, Ember"
WARES = "baskets, candles, honey jars, scarves, mugs, postcards, soaps, wooden toys"
DISHES = "samosas, arepas, falafel, churros, pierogi, poutine, satay, empanadas"
PROJECTS = "well, clinic roof, school bus, solar pump, footbridge, library van, seed bank, workshop"
NOTICES = "bakery, circus, dentist, ferry line, optician, hat shop, driving school, piano tuner"


def garden_beds(rng: Rng, wording: int) -> MirrorContent:
    """Metres of bed for crops that are sown or planted, and so need different room."""
    case = draw_case(rng, CROPS, 5, (2, 13, 1), (6, 34, 1), other_weights((2, 13, 1)))
    sown, planted = rng.sample(("single rows", "double rows", "mounds", "squares"), 2)
    here, there = swapped(sown, planted)
    place, metres = rng.pick(("allotment", "school garden", "monastery garden", "back yard")), case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"There are {metres} metres of bed left in our {place}. Expected harvest in kg, and the metres needed when "
        f"grown in {sown} or in {planted}:\n{case.rows('{name}: {worth} kg, {weight_a} m or {weight_b} m')}\n"
        f"We're going to use {here} because {there} didn't work last year. A crop is grown completely or not at all. "
        "What do we grow for the largest harvest?",
        f"{place}, bed of {metres} m, all in {here}, nothing in {there}. "
        + case.rows(f"{{name}} {{worth}} kg, {{weight_a}} m in {sown}, {{weight_b}} m in {planted}", "; ")
        + ". what to grow for the most kg",
        (
            f"What's better for a {place}, {sown} or {planted}?",
            f"That depends on the soil: on heavy soil choose {here}, on sandy soil {there}.",
            f"Heavy soil, so I'll follow that for all of them. I have {metres} metres. Crop, kg, metres in {sown}, "
            f"metres in {planted}: {case.rows('{name}, {worth}, {weight_a}, {weight_b}', '; ')}. "
            "Which crops yield the most kg altogether, each grown once?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Grow {p.names}. You harvest {p.sum} kg from {p.load} metres.",
            lambda p: f"{capital(p.names)} yield the most, {p.sum} kg. There is no room for {p.left}.",
        )
    )
    return pack("in which of two ways the crops are grown", frames[wording], case, tell)


def disk_space(rng: Rng, wording: int) -> MirrorContent:
    """Games for one of two devices with different free space."""
    case = draw_case(rng, GAMES, 5, (5, 48, 1), (12, 90, 1), other_room(4, 8))
    tablet, laptop = rng.sample(("tablet", "laptop", "handheld", "old PC"), 2)
    person = rng.people(1)[0]
    frames: tuple[PromptTemplate, ...] = (
        f"{person} has a long train ride and no internet. Free on the {tablet}: {case.room} GB. Free on the {laptop}: "
        f"{case.rest} GB. The games, with their size and the hours of fun {person} expects:\n"
        f"{case.rows('- {name}: {weight} GB, {worth} hours')}\nOnly the {tablet} is coming along. "
        "Which games should be on it for the most hours?",
        f"game / GB / my rating: {case.rows('{name} / {weight} / {worth}', ', ')}. {laptop} has {case.rest} GB free "
        f"and the {tablet} {case.room}. need the highest total rating on the {tablet}. what do i install",
        (
            f"Storage: the {laptop} has {case.rest} GB left, the {tablet} has {case.room} GB left. Installed games "
            "never get split between devices. When asked for a selection, maximise the total rating.",
            f"I'd like to fill the {tablet}. Ratings: {case.rows('{name} {worth}', ', ')}. Sizes in GB: "
            f"{case.rows('{name} {weight}', ', ')}.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Install {p.names}. The total is {p.sum}, in {p.load} GB.",
            lambda p: f"Go for {p.names}: {p.sum} in total. Don't install {p.left}.",
        )
    )
    return pack("which device has how much space", frames[wording], case, tell)


def market_table(rng: Rng, wording: int) -> MirrorContent:
    """Length of a table for wares; two takings are exchanged."""
    case = draw_case(rng, WARES, 5, (30, 140, 10), (21, 95, 1), worths_exchanged)
    town, length = rng.pick(("Tbilisi", "Antigua", "Ghent", "Luang Prabang")), case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"My stall at the Sunday market in {town} has a table of {length} cm. From past weeks I know what each kind "
        f"of ware takes in and how much of the table it needs:\n{case.rows('{name} ({weight} cm): {worth}')}\n"
        "With less than its length a kind isn't worth showing. What do I put out to take in the most?",
        f"table {length} cm. {case.rows('{name} need {weight} cm and make {worth}', ', ')}. no stacking, no half "
        "displays. what goes on the table for best takings?",
        (
            "Stall planner: takings per kind of ware are "
            f"{case.rows('{name} {worth}', ', ')}; table needed is {case.rows('{name} {weight} cm', ', ')}. "
            "Each kind appears once or not at all.",
            f"hello, we're in {town} with a {length} cm table this time. which kinds give us the highest takings?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Put out {p.names}. Expect takings of {p.sum}, using {p.load} cm of the table.",
            lambda p: f"This table earns most with {p.names}: {p.sum}. Keep {p.left} in the car.",
        )
    )
    return pack("two of the takings have changed places", frames[wording], case, tell)


def food_truck(rng: Rng, wording: int) -> MirrorContent:
    """Litres of a truck's fridge for dishes that sell differently at two events."""
    case = draw_case(rng, DISHES, 5, (6, 40, 2), (20, 99, 1), other_worths((20, 99, 1)))
    match, concert = rng.sample(("football match", "jazz concert", "flea market", "campus fair"), 2)
    here, there = swapped(match, concert)
    litres, town = case.a.capacity, rng.pick(("Montevideo", "Leeds", "Penang", "Nantes"))
    frames: tuple[PromptTemplate, ...] = (
        f"The fridge of our food truck holds {litres} litres. For a full batch of each dish you see the litres, the "
        f"profit at a {match} and the profit at a {concert}.\n{case.rows('{name}: {weight}, {worth_a}, {worth_b}')}\n"
        f"Tonight we park at the {here} in {town}, the {there} was called off. Which batches do we prepare for the "
        "highest profit? At most one batch per dish.",
        f"truck fridge = {litres} litres, going to the {here} instead of the {there}. one batch per dish max. "
        + case.rows(f"{{name}} {{weight}} l ({match} {{worth_a}}, {concert} {{worth_b}})", ", ")
        + ". best batches for profit?",
        (
            f"Is it the {match} or the {concert} tonight?",
            f"According to your calendar it's the {here}. The {there} is next month.",
            f"Thanks! Then tell me which batches go in the fridge ({litres} litres) for the most profit. "
            f"Litres: {case.rows('{name} {weight}', ', ')}. "
            f"Profit at a {match}: {case.rows('{name} {worth_a}', ', ')}. "
            f"Profit at a {concert}: {case.rows('{name} {worth_b}', ', ')}. One batch of each at most.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Prepare {p.names}. The profit is {p.sum}, and the fridge holds {p.load} litres.",
            lambda p: f"{capital(p.names)} are the best choice tonight: {p.sum}. Leave out {p.left}.",
        )
    )
    return pack("at which of two events the truck sells", frames[wording], case, tell)


def village_grants(rng: Rng, wording: int) -> MirrorContent:
    """Projects paid from one of two funds of different size."""
    case = draw_case(rng, PROJECTS, 5, (6, 40, 1), (15, 90, 1), other_room(3, 7))
    water, youth = rng.sample(("harvest fund", "jubilee fund", "river fund", "lottery fund"), 2)
    region = rng.pick(("Turkana", "Chiapas", "Ladakh", "Epirus"))
    frames: tuple[PromptTemplate, ...] = (
        f"Our foundation works in {region}. The {water} has {case.room} thousand euros and the {youth} "
        f"{case.rest} thousand. Applications, with the cost in thousands and the households reached:\n\n"
        f"{case.rows('{name} | {weight} | {worth}')}\n\n"
        f"We pay a project in full or decline it, and money from the two funds can't be mixed. Which ones should the "
        f"{water} pay for so that the number of households is as high as possible?",
        f"grant round {region}, amounts in thousands. {youth}: {case.rest}. {water}: {case.room}. applications (cost, "
        f"households): {case.rows('{name} {weight}, {worth}', '; ')}. full funding only. best set for the {water} "
        "to reach most households",
        (
            "You advise a foundation. Projects get their full cost or nothing. Suggest the set that reaches the most "
            f"households. Available in thousands: {water} {case.room}, {youth} {case.rest}.",
            f"We'd like a proposal for the {water} only. "
            f"{case.rows('The {name} costs {weight} and reaches {worth}.', ' ')}",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Fund {p.the}. They reach {p.sum} households and cost {p.load} thousand.",
            lambda p: f"The best set is {p.the}, for {p.sum} households. Decline: {p.left}.",
        )
    )
    return pack("which fund has how much", frames[wording], case, tell)


def newspaper_page(rng: Rng, wording: int) -> MirrorContent:
    """Lines of a page for advertisements; two of them change lengths."""
    case = draw_case(rng, NOTICES, 5, (6, 34, 1), (14, 75, 1), weights_exchanged)
    town, lines = rng.pick(("Reykjavík", "Windhoek", "Salta", "Trieste")), case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"Page three of our weekly in {town} has {lines} lines free for small ads. These came in, with the lines they "
        f"take and what they pay:\n{case.rows('{Name}, {weight} lines, {worth}')}\n"
        "None may be shortened or printed twice. Which ones do we print to earn the most?",
        f"{lines} lines left on the page, small ads: {case.rows('{name} {worth} for {weight} lines', ', ')}. cant "
        "shorten them. which ones make the most money together?",
        (
            "Hello, I need help with our page of small ads. No ad is cut, none runs twice.",
            "Of course. How much space is there, and what have you received?",
            f"{capital(case.rows('the {name} wants {weight} lines and pays {worth}', ', '))}. And {lines} lines of "
            "space. I'm after the highest income.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Print {p.the}. Income: {p.sum}. Space used: {p.load} lines.",
            lambda p: f"{capital(p.the)} together pay best: {p.sum}. There's no space for {p.the_left}.",
        )
    )
    return pack("two of the ads have changed lengths", frames[wording], case, tell)


TEMPLATES = tuple(with_wordings(garden_beds, disk_space, market_table, food_truck, village_grants, newspaper_page))
