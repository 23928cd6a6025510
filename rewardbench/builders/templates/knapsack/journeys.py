"""Things to carry: what fits into a bag, a hold, a rocket, a pannier."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.knapsack.packing import (
    Tell,
    capital,
    draw_case,
    other_room,
    other_weights,
    pack,
    weights_exchanged,
    worths_exchanged,
)

SUITCASE = "saffron, pistachios, dates, rose tea, carpets, copper pots, apricots, sumac, silk"
HOLD = "timber, nutmeg, sugar, tin, hemp, salt fish, ink, wool, pepper"
PAYLOAD = "spectrometer, seismometer, camera, drill, magnetometer, weather mast, radar, sampler"
PANNIER = "dictionary, wok, projector, kettle, drum, typewriter, toolbox, microscope"
HUT = "firewood, flour, lentils, gas bottles, blankets, potatoes, paint, cheese"
CASES = "violin, trumpet, tuba, harp, accordion, cello, banjo, zither"


def luggage(rng: Rng, wording: int) -> MirrorContent:
    """Two travellers whose suitcases hold different weights: what the one of them carries home."""
    case = draw_case(rng, SUITCASE, 5, (2, 11, 1), (18, 75, 1), other_room(2, 4))
    one, other = rng.people(2)
    town, asked = rng.pick(("Shiraz", "Fes", "Bukhara", "Gaziantep")), rng.pick(("profit", "margin"))
    frames: tuple[PromptTemplate, ...] = (
        f"{one} and {other} fly back from {town} tomorrow. {one} may check in {case.room} kg, {other} {case.rest} kg. "
        f"We have one bundle of each of these, with its weight and the {asked} we'd make on it at home:\n\n"
        f"{case.rows('{name}: {weight} kg, {worth} euros')}\n\n"
        f"If {one} takes only whole bundles, which ones give the highest {asked}?",
        f"one bundle each of {case.rows('{name} ({weight} kg, brings {worth})', ', ')}. {other}'s suitcase can still "
        f"take {case.rest} kg and {one}'s {case.room} kg. whats the most profitable load for {one}? can't be split",
        (
            f"hi! {one}: {case.room} kg of baggage left. {other}: {case.rest} kg left.",
            "Got it. What would you like to know about the baggage?",
            f"Which bundles {one} should carry so that we earn the most. Weight and what we earn on each: "
            f"{case.rows('{name} {weight} kg / {worth}', '; ')}. There's one of each and they stay whole.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Load {p.names}. That earns {p.sum}, and no other load within the limit earns as much.",
            lambda p: f"The best load is {p.names}, which brings {p.sum}.\nLeave behind: {p.left}.",
        )
    )
    return pack("whose suitcase holds how much", frames[wording], case, tell)


def boat_hold(rng: Rng, wording: int) -> MirrorContent:
    """A hold of fixed size; two of the lots change weights."""
    case = draw_case(rng, HOLD, 5, (3, 15, 1), (20, 95, 1), weights_exchanged)
    port, ship = rng.pick(("Zanzibar", "Makassar", "Cartagena", "Muscat")), rng.pick(("dhow", "schooner", "ketch"))
    room = case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"For a board game set in {port}: my {ship} can carry {room} tons, and every lot on the quay can be bought "
        f"once, whole or not at all. The cards say:\n{case.rows('- {name}: {weight} tons, sells for {worth} coins')}\n"
        "Which lots give me the most coins in one voyage?",
        f"{ship} with a hold of {room} tons leaving {port}. freight offered: "
        f"{case.rows('{name} {weight} t pays {worth}', ', ')}. each lot once, no part lots. best freight money?",
        (
            f"You are the loading clerk of a {ship} that carries up to {room} tons. For every list of freight, name "
            "the lots that together pay the most and still fit. Lots are never divided.",
            f"Today in {port}, tons first and then the pay: {case.rows('{name} {weight}, {worth}', '; ')}.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Take {p.names} on board: {p.sum}. Together they weigh {p.load} tons.",
            lambda p: f"{capital(p.names)} should sail. They bring {p.sum}, while {p.left} stay on the quay.",
        )
    )
    return pack("two of the lots have changed weights", frames[wording], case, tell)


def rocket_payload(rng: Rng, wording: int) -> MirrorContent:
    """Instruments for one of two craft, which carry different masses."""
    case = draw_case(rng, PAYLOAD, 5, (4, 19, 1), (21, 80, 1), other_room(2, 5))
    lander, rover = rng.sample(("lander", "rover", "orbiter", "balloon"), 2)
    frames: tuple[PromptTemplate, ...] = (
        f"Classroom exercise on mission planning. The {lander} can carry {case.room} kg of instruments and the {rover} "
        f"{case.rest} kg. A committee has rated the candidates:\n\n"
        f"| instrument | mass | rating |\n|---|---|---|\n{case.rows('| {name} | {weight} kg | {worth} |')}\n\n"
        f"Choose the set for the {lander} with the greatest total rating.",
        f"which instruments go on the {lander}?? science points as high as possible, one of each available: "
        f"{case.rows('{name} {worth} points, {weight} kg', ' / ')}. mass limits: {rover} {case.rest} kg, "
        f"{lander} {case.room} kg",
        (
            f"Mass budget for instruments: {rover} {case.rest} kg, {lander} {case.room} kg. Answer with the "
            "selection that has the highest sum of science points, and show that sum.",
            f"Please select for the {lander}. {case.rows('{Name}: {weight} kg, {worth} points.', ' ')}",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Fly {p.the}. The ratings add up to {p.sum}, with a mass of {p.load} kg.",
            lambda p: f"Selected: {p.names}.\nScore: {p.sum}.\nNot selected: {p.left}.",
        )
    )
    return pack("which craft carries how much", frames[wording], case, tell)


def pannier(rng: Rng, wording: int) -> MirrorContent:
    """A cargo bike delivers what pays best; two fees are exchanged."""
    case = draw_case(rng, PANNIER, 5, (2, 12, 1), (8, 39, 1), worths_exchanged)
    town, rider = rng.pick(("Utrecht", "Kyoto", "Bogotá", "Odense")), rng.people(1)[0]
    room = case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"I deliver second-hand things by bike in {town} and my panniers take {room} kg, no more. Waiting for pick-up "
        f"are {case.rows('a {name} of {weight} kg (fee {worth})', ', ')}. I'm only riding once today. "
        "What should I bring along to collect the most in fees?",
        f"max {room} kg on the bike, one trip\n{case.rows('{name} - {weight} kg - pays {worth}')}\nwhich of these "
        "make the best trip?",
        (
            f"{rider} here, courier in {town}. Fees for today's parcels: {case.rows('{name} {worth}', ', ')}.",
            "Thanks. And how heavy are they?",
            f"{case.rows('{name} {weight} kg', ', ')}. My bike is allowed {room} kg. I'd like to earn as much as I "
            "can in a single ride, so what do I load?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Bring {p.the}. You collect {p.sum} in fees and ride with {p.load} kg.",
            lambda p: f"For one ride, {p.the} pay best: {p.sum}. You'd have to leave {p.the_left} for another day.",
        )
    )
    return pack("two of the fees have changed places", frames[wording], case, tell)


def mountain_hut(rng: Rng, wording: int) -> MirrorContent:
    """Supplies for a hut, by mule or by helicopter."""
    case = draw_case(rng, HUT, 5, (10, 75, 5), (11, 60, 1), other_room(10, 15))
    mule, flight = rng.sample(("mule", "helicopter", "cable lift", "snowmobile"), 2)
    here, there = swapped(mule, flight)
    valley = rng.pick(("Langtang", "the Engadin", "the Tatras", "the Drakensberg"))
    frames: tuple[PromptTemplate, ...] = (
        f"Our hut in {valley} gets its supplies either by {mule}, {case.a.capacity} kg a trip, or by {flight}, "
        f"{case.b.capacity} kg a trip. This week there will be a single trip, and it's the {here}, because the {there} "
        "is being repaired. The warden gave everything a score for how badly it is needed:\n"
        f"{case.rows('{name}, {weight} kg: {worth}')}\nEach pile goes up whole or waits. "
        "Which ones go up for the highest total score?",
        f"the {there} is out of order so we've got the {here} for todays one trip to the hut. limit {mule} "
        f"{case.a.capacity} kg, {flight} {case.b.capacity} kg. need score and weight: "
        f"{case.rows('{name} {worth} ({weight} kg)', ', ')}. all or nothing for each. highest total need?",
        (
            f"You schedule supplies for a hut in {valley}. A trip by {flight} carries {case.b.capacity} kg, a trip by "
            f"{mule} carries {case.a.capacity} kg. Piles are not split. Aim for the highest sum of urgency points.",
            f"Today: {case.rows('{name} ({weight} kg, {worth} points)', ', ')}. One trip, by {here}, not by {there}.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Send up {p.names}. Their scores make {p.sum}; the load is {p.load} kg.",
            lambda p: f"This trip should carry {p.names}, for {p.sum} points. Waiting for the next one: {p.left}.",
        )
    )
    return pack("which of two carriers is out of order", frames[wording], case, tell)


def orchestra_van(rng: Rng, wording: int) -> MirrorContent:
    """Instruments for hire in one of two kinds of cases, which are of different weights."""
    case = draw_case(rng, CASES, 5, (3, 18, 1), (15, 70, 1), other_weights((3, 18, 1)))
    cases, boxes = rng.sample(("flight cases", "hard cases", "wooden crates", "padded boxes"), 2)
    here, there = swapped(cases, boxes)
    town = rng.pick(("Ljubljana", "Mendoza", "Cork", "Daegu"))
    room = case.a.capacity
    frames: tuple[PromptTemplate, ...] = (
        f"We rent out instruments at the festival in {town} and the trailer is rated for {room} kg. Rental income per "
        f"instrument, then the weight in {cases}, then the weight in {boxes}:\n"
        f"{case.rows('{name}: {worth} | {weight_a} kg | {weight_b} kg')}\n"
        f"We've decided on {here} for everything, no {there}. There is one of each. What should we load for "
        "the highest income?",
        f"trailer {room} kg. everything travels in {here}, not {there}. what to load for max rent? "
        + case.rows(f"{{name}} rent {{worth}}, {cases} {{weight_a}} kg, {boxes} {{weight_b}} kg", "; "),
        (
            f"I'm putting together a rental list for {town}. Will we pack in {cases} or in {boxes}?",
            f"Both work. Which would you prefer, {cases} or {boxes}?",
            f"Let's say {here}. Limit for the trailer: {room} kg. Each line has the rent, the weight in {cases} and "
            f"the weight in {boxes}.\n{case.rows('{name} / {worth} / {weight_a} / {weight_b}')}\n"
            "Pick the instruments that bring in the most rent.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda p: f"Load {p.the}, and the rent comes to {p.sum}. The trailer then carries {p.load} kg.",
            lambda p: f"Best choice: {p.names}. Rent: {p.sum}. Staying at home: {p.left}.",
        )
    )
    return pack("in which of two kinds of cases the instruments travel", frames[wording], case, tell)


TEMPLATES = tuple(with_wordings(luggage, boat_hold, rocket_payload, pannier, mountain_hut, orchestra_van))
