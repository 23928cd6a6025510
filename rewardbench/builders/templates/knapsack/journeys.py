"""Templates about things to carry: a suitcase, a hold, a rocket, a pannier, a trip to a hut, a van.

Example of a mirror, from `luggage`:

    prompt a: "Tessa may check in 13 kg, Omar 15 kg. ... If Tessa takes only whole bundles, which ones ...?"
    prompt b: "Tessa may check in 15 kg, Omar 13 kg. ... If Tessa takes only whole bundles, which ones ...?"
    response x, right for a: "The best load is dates and silk, which brings 62 + 41 = 103. ..."
    response y, right for b: "The best load is dates and sumac, which brings 62 + 55 = 117. ..."
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

SUITCASE = "saffron, pistachios, dates, rose tea, carpets, copper pots, apricots, sumac, silk"
HOLD = "timber, nutmeg, sugar, tin, hemp, salt fish, ink, wool, pepper"
PAYLOAD = "spectrometer, seismometer, camera, drill, magnetometer, weather mast, radar, sampler"
PANNIER = "dictionary, wok, projector, kettle, drum, typewriter, toolbox, microscope"
HUT = "firewood, flour, lentils, gas bottles, blankets, potatoes, paint, cheese"
CASES = "violin, trumpet, tuba, harp, accordion, cello, banjo, zither"


def luggage(rng: Rng, wording: int) -> MirrorContent:
    """Swap the baggage limits of two travellers, and ask what one of them should carry."""
    pair = draw_pair(rng, SUITCASE, 5, weights=(2, 11, 1), worths=(18, 75, 1), change=change_capacity(2, 4))
    ann, bob = rng.people(2)
    town, gain = rng.pick(("Shiraz", "Fes", "Bukhara", "Gaziantep")), rng.pick(("profit", "margin"))
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} and {bob} fly back from {town} tomorrow. {ann} may check in {pair.capacity} kg, {bob} "
        f"{pair.other_capacity} kg. We have one bundle of each of these, with its weight and the {gain} we'd make on "
        "it at home:\n\n"
        f"{pair.rows('{name}: {weight} kg, {worth} euros')}\n\n"
        f"If {ann} takes only whole bundles, which ones give the highest {gain}?",
        f"one bundle each of {pair.rows('{name} ({weight} kg, brings {worth})', ', ')}. {bob}'s suitcase can still "
        f"take {pair.other_capacity} kg and {ann}'s {pair.capacity} kg. whats the most profitable load for {ann}? "
        "can't be split",
        (
            f"hi! {ann}: {pair.capacity} kg of baggage left. {bob}: {pair.other_capacity} kg left.",
            "Got it. What would you like to know about the baggage?",
            f"Which bundles {ann} should carry so that we earn the most. Weight and what we earn on each: "
            f"{pair.rows('{name} {weight} kg / {worth}', '; ')}. There's one of each and they stay whole.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Load {p.names}. That earns {p.sum}, and no other load within the limit earns as much.",
            lambda p: f"The best load is {p.names}, which brings {p.sum}.\nLeave behind: {p.left_out}.",
        )
    )
    return knapsack_mirror("whose suitcase holds how much", prompts[wording], pair, write)


def boat_hold(rng: Rng, wording: int) -> MirrorContent:
    """Swap the weights of two of the lots offered to a ship."""
    pair = draw_pair(rng, HOLD, 5, weights=(3, 15, 1), worths=(20, 95, 1), change=swap_weights)
    port, ship = rng.pick(("Zanzibar", "Makassar", "Cartagena", "Muscat")), rng.pick(("dhow", "schooner", "ketch"))
    room = pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"For a board game set in {port}: my {ship} can carry {room} tons, and every lot on the quay can be bought "
        f"once, whole or not at all. The cards say:\n{pair.rows('- {name}: {weight} tons, sells for {worth} coins')}\n"
        "Which lots give me the most coins in one voyage?",
        f"{ship} with a hold of {room} tons leaving {port}. freight offered: "
        f"{pair.rows('{name} {weight} t pays {worth}', ', ')}. each lot once, no part lots. best freight money?",
        (
            f"You are the loading clerk of a {ship} that carries up to {room} tons. For every list of freight, name "
            "the lots that together pay the most and still fit. Lots are never divided.",
            f"Today in {port}, tons first and then the pay: {pair.rows('{name} {weight}, {worth}', '; ')}.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Take {p.names} on board: {p.sum}. No other freight that fits brings as much.",
            lambda p: (
                f"{capitalize_first(p.names)} should sail. They bring {p.sum}, while {p.left_out} stay on the quay."
            ),
        )
    )
    return knapsack_mirror("two of the lots have changed weights", prompts[wording], pair, write)


def rocket_payload(rng: Rng, wording: int) -> MirrorContent:
    """Swap the masses that two craft can carry, and ask for the instruments of one of them."""
    pair = draw_pair(rng, PAYLOAD, 5, weights=(4, 19, 1), worths=(21, 80, 1), change=change_capacity(2, 5))
    lander, rover = rng.sample(("lander", "rover", "orbiter", "balloon"), 2)
    prompts: tuple[PromptTemplate, ...] = (
        f"Classroom exercise on mission planning. The {lander} can carry {pair.capacity} kg of instruments and the "
        f"{rover} {pair.other_capacity} kg. A committee has rated the candidates:\n\n"
        f"| instrument | mass | rating |\n|---|---|---|\n{pair.rows('| {name} | {weight} kg | {worth} |')}\n\n"
        f"Choose the set for the {lander} with the greatest total rating.",
        f"which instruments go on the {lander}?? science points as high as possible, one of each available: "
        f"{pair.rows('{name} {worth} points, {weight} kg', ' / ')}. mass limits: {rover} {pair.other_capacity} kg, "
        f"{lander} {pair.capacity} kg",
        (
            f"Mass budget for instruments: {rover} {pair.other_capacity} kg, {lander} {pair.capacity} kg. Answer with "
            "the selection that has the highest sum of science points, and show that sum.",
            f"Please select for the {lander}. {pair.rows('{Name}: {weight} kg, {worth} points.', ' ')}",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Fly {p.the_names}. The ratings add up to {p.sum}, with a mass of {p.load} kg.",
            lambda p: f"Selected: {p.names}.\nScore: {p.sum}.\nNot selected: {p.left_out}.",
        )
    )
    return knapsack_mirror("which craft carries how much", prompts[wording], pair, write)


def pannier(rng: Rng, wording: int) -> MirrorContent:
    """Swap the weights of two of the parcels that a cargo bike can deliver."""
    pair = draw_pair(rng, PANNIER, 5, weights=(2, 12, 1), worths=(8, 39, 1), change=swap_weights)
    town, rider = rng.pick(("Utrecht", "Kyoto", "Bogotá", "Odense")), rng.people(1)[0]
    room = pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"I deliver second-hand things by bike in {town} and my panniers take {room} kg, no more. Waiting for pick-up "
        f"are {pair.rows('a {name} of {weight} kg (fee {worth})', ', ')}. I'm only riding once today. What should I "
        "bring along to collect the most in fees?",
        f"max {room} kg on the bike, one trip\n{pair.rows('{name} - {weight} kg - pays {worth}')}\nwhich of these "
        "make the best trip?",
        (
            f"{rider} here, courier in {town}. Fees for today's parcels: {pair.rows('{name} {worth}', ', ')}.",
            "Thanks. And how heavy are they?",
            f"{pair.rows('{name} {weight} kg', ', ')}. My bike is allowed {room} kg. I'd like to earn as much as I "
            "can in a single ride, so what do I load?",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Bring {p.the_names}. You collect {p.sum} in fees, and the panniers hold it all.",
            lambda p: (
                f"For one ride, {p.the_names} pay best: {p.sum}. You'd have to leave {p.the_left_out} for another day."
            ),
        )
    )
    return knapsack_mirror("two of the parcels have changed weights", prompts[wording], pair, write)


def mountain_hut(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two carriers takes the supplies to a hut."""
    pair = draw_pair(rng, HUT, 5, weights=(10, 75, 5), worths=(11, 60, 1), change=change_capacity(10, 15))
    mule, flight = rng.sample(("mule", "helicopter", "cable lift", "snowmobile"), 2)
    carrier, other_carrier = swapped(mule, flight)
    valley = rng.pick(("Langtang", "the Engadin", "the Tatras", "the Drakensberg"))
    prompts: tuple[PromptTemplate, ...] = (
        f"Our hut in {valley} gets its supplies either by {mule}, {pair.a.capacity} kg a trip, or by {flight}, "
        f"{pair.b.capacity} kg a trip. This week there will be a single trip, and it's the {carrier}, because the "
        f"{other_carrier} is being repaired. The warden gave everything a score for how badly it is needed:\n"
        f"{pair.rows('{name}, {weight} kg: {worth}')}\nEach pile goes up whole or waits. Which ones go up for the "
        "highest total score?",
        f"the {other_carrier} is out of order so we've got the {carrier} for todays one trip to the hut. limit {mule} "
        f"{pair.a.capacity} kg, {flight} {pair.b.capacity} kg. need score and weight: "
        f"{pair.rows('{name} {worth} ({weight} kg)', ', ')}. all or nothing for each. highest total need?",
        (
            f"You schedule supplies for a hut in {valley}. A trip by {flight} carries {pair.b.capacity} kg, a trip by "
            f"{mule} carries {pair.a.capacity} kg. Piles are not split. Aim for the highest sum of urgency points.",
            f"Today: {pair.rows('{name} ({weight} kg, {worth} points)', ', ')}. One trip, by {carrier}, not by "
            f"{other_carrier}.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Send up {p.names}. Their scores make {p.sum}; the load is {p.load} kg.",
            lambda p: f"This trip should carry {p.names}, for {p.sum} points. Waiting for the next one: {p.left_out}.",
        )
    )
    return knapsack_mirror("which of two carriers is out of order", prompts[wording], pair, write)


def orchestra_van(rng: Rng, wording: int) -> MirrorContent:
    """Swap the kind of cases in which instruments travel; each kind has different weights."""
    pair = draw_pair(rng, CASES, 5, weights=(3, 18, 1), worths=(15, 70, 1), change=redraw_weights((3, 18, 1)))
    cases, boxes = rng.sample(("flight cases", "hard cases", "wooden crates", "padded boxes"), 2)
    case, other_case = swapped(cases, boxes)
    town = rng.pick(("Ljubljana", "Mendoza", "Cork", "Daegu"))
    room = pair.a.capacity
    prompts: tuple[PromptTemplate, ...] = (
        f"We rent out instruments at the festival in {town} and the trailer is rated for {room} kg. Rental income per "
        f"instrument, then the weight in {cases}, then the weight in {boxes}:\n"
        f"{pair.rows('{name}: {worth} | {weight_a} kg | {weight_b} kg')}\n"
        f"We've decided on {case} for everything, no {other_case}. There is one of each. What should we load for the "
        "highest income?",
        f"trailer {room} kg. everything travels in {case}, not {other_case}. what to load for max rent? "
        + pair.rows(f"{{name}} rent {{worth}}, {cases} {{weight_a}} kg, {boxes} {{weight_b}} kg", "; "),
        (
            f"I'm putting together a rental list for {town}. Will we pack in {cases} or in {boxes}?",
            f"Both work. Which would you prefer, {cases} or {boxes}?",
            f"Let's say {case}. Limit for the trailer: {room} kg. Each line has the rent, the weight in {cases} and "
            f"the weight in {boxes}.\n{pair.rows('{name} / {worth} / {weight_a} / {weight_b}')}\n"
            "Pick the instruments that bring in the most rent.",
        ),
    )
    write: ResponseWriter = rng.pick(
        (
            lambda p: f"Load {p.the_names}, and the rent comes to {p.sum}. The trailer can carry that.",
            lambda p: f"Best choice: {p.names}. Rent: {p.sum}. Staying at home: {p.left_out}.",
        )
    )
    return knapsack_mirror("in which of two kinds of cases the instruments travel", prompts[wording], pair, write)


TEMPLATES = tuple(with_wordings(luggage, boat_hold, rocket_payload, pannier, mountain_hut, orchestra_van))
