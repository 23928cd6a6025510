"""Draw random inputs for the programs of each world."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rewardbench.builders.draw import Rng

Words = Mapping[str, str]
DrawInput = Callable[[Rng, Words, Mapping[str, int], int], list[str]]
"""Returns the lines of an input: words and numbers of the scene, clauses of the ticket, and how many lines more."""

KEYS = "amber birch cedar dune ember fjord grove heath islet".split()
MORE_KEYS = "jetty knoll lagoon meadow nook orchard pier quarry ridge shore".split()


def _extras(words: Words, settings: Mapping[str, int], *names: str) -> list[str]:
    """Return the command words of those clauses that the ticket has."""
    return [words[name] for name in names if name in settings]


def cache_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return a log of a store: puts and gets of a few keys, and the commands of the ticket."""
    extras = _extras(words, settings, "touch", "drop", "pin", "usage", "grow")
    life = int(words["life"])
    keys = KEYS[: rng.number(3, 5)]
    minute = rng.number(0, 60)
    lines = []
    for _ in range(extra + rng.number(8, 10 + len(settings))):
        word = rng.pick([words["put"]] * 4 + [words["get"]] * 3 + extras)
        key = rng.pick(keys)
        if word == words["put"]:
            lines.append(f"{minute} {word} {key} {rng.number(2, int(words['cap']) // 2)}")
        elif word == words["grow"] and "grow" in settings:
            lines.append(f"{minute} {word} - {rng.number(8, 28)}")
        else:
            lines.append(f"{minute} {word} {key}")
        minute += rng.pick([0, 1, 3, 4, 5, 7, life // 4, life // 2])
    return lines


def room_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return a log of requests on a grid of five minutes, for two or three rooms."""
    commands = [words["book"]] * 6 + [words["cancel"]] * 2
    commands += _extras(words, settings, "extend", "move", "count", "shut", "rename")
    names, rooms = rng.people(6), ["north", "south", "east"][: rng.number(1, 3)]
    lines = []
    for _ in range(extra + rng.number(8, 10 + len(settings))):
        command, name, room = rng.pick(commands), rng.pick(names), rng.pick(rooms)
        start = rng.number(465, 620, 5)
        if command == words["book"]:
            lines.append(f"{command} {name} {room} {start} {start + rng.number(15, 90, 5)}")
        elif command == words["extend"]:
            lines.append(f"{command} {name} {rng.number(5, 40, 5)}")
        elif command == words["move"]:
            lines.append(f"{command} {name} {room}")
        elif command == words["count"]:
            lines.append(f"{command} {rng.number(470, 640, 5)}")
        elif command == words["shut"]:
            lines.append(f"{command} {room}")
        elif command == words["rename"]:
            lines.append(f"{command} {name} {rng.people(1)[0]}")
        else:
            lines.append(f"{command} {name}")
    return lines


def league_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return a result sheet of three to five names."""
    commands = [words["play"]] * 7 + _extras(words, settings, "fine", "forfeit", "bonus", "quit")
    commands += [words["late_word"]] * 2 if "late" in settings else []
    names = rng.people(rng.number(3, 5) + extra // 4)
    lines = []
    for _ in range(extra + rng.number(6, 8 + len(settings))):
        command = rng.pick(commands)
        home, away = rng.sample(names, 2)
        goals, other_goals = (
            rng.numbers(2, 0, 6) if command == words["late_word"] else (rng.number(0, 5), rng.number(0, 5))
        )
        if command in (words["play"], words["late_word"]):
            lines.append(f"{command} {home} {away} {goals} {other_goals}")
        elif command == words["fine"]:
            lines.append(f"{command} {home} {rng.number(1, 4)}")
        elif command == words["forfeit"]:
            lines.append(f"{command} {home} {away}")
        else:
            lines.append(f"{command} {home}")
    return lines


def stock_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return a stock book of two or three articles."""
    commands = [words["in"]] * 4 + [words["out"]] * 4 + _extras(words, settings, "back", "loss", "value", "hold")
    items = KEYS[3 : 5 + rng.number(0, 1)]
    day = rng.number(1, 20)
    lines = []
    for _ in range(extra + rng.number(7, 9 + len(settings))):
        command, item = rng.pick(commands), rng.pick(items)
        amount = rng.number(1, 9)
        if command == words["in"]:
            lines.append(f"{day} {command} {item} {amount + 2} {rng.number(3, 9)}")
        elif command == words["value"]:
            lines.append(f"{day} {command} {item}")
        else:
            lines.append(f"{day} {command} {item} {amount}")
        day += rng.pick([0, 0, 1, 1, 2, 3])
    return lines


def visit_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return a log of two or three users."""
    actions = ["view", "view", "next", *_extras(words, settings, "quit", "ping", "join", "star")]
    actions += [words["fail"]] * 4 if "errors" in settings else []
    actions += [words["bot"]] if "bot" in settings and rng.chance(0.3) else []
    users = rng.people(rng.number(2, 3))
    time = rng.number(0, 15) * 10
    lines = []
    for _ in range(extra + rng.number(8, 12 + len(settings))):
        lines.append(f"{time} {rng.pick(users)} {rng.pick(actions)}")
        time += rng.pick([1, 2, 5, 5, 10, 10, 20, 27])
    return lines


def payment_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return a ledger of two or three payers, with amounts that often nearly fit."""
    commands = [words["inv"]] * 4 + [words["pay"]] * 4
    commands += _extras(words, settings, "void", "block", "alias", "remind")
    commands += [words["free"]] if "block" in settings else []
    payers = rng.people(rng.number(2, 3) + extra // 12)
    day, amounts = rng.number(1, 9), [rng.number(8, 50)]
    numbers: list[str] = []
    lines = []
    for _ in range(extra + rng.number(8, 10 + len(settings))):
        command, payer = rng.pick(commands) if numbers else words["inv"], rng.pick(payers)
        if command == words["inv"]:
            numbers.append(f"{len(numbers)}{rng.pick('abcde')}")
            amounts.append(rng.pick([rng.number(8, 50), rng.pick(amounts)]))
            lines.append(f"{day} {command} {numbers[-1]} {payer} {amounts[-1]}")
        elif command == words["pay"]:
            amount = rng.pick(amounts) + rng.pick([0, 0, 0, rng.number(-6, 6), rng.pick(amounts)])
            lines.append(f"{day} {command} {payer} {max(amount, 1)}")
        elif command == words["alias"]:
            lines.append(f"{day} {command} {payer} {rng.pick(payers)}")
        elif command == words["remind"]:
            lines.append(f"{day} {command} {payer}")
        else:
            lines.append(f"{day} {command} {rng.pick(numbers[-4:])}")
        day += rng.pick([0, 0, 1, 1, 2, 3])
    return lines


def report_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return the rows of the four tables, each after the name of its table."""
    names = rng.people(rng.number(3, 5) + (extra + 3) // 2)
    items = ["alba", "brio", "cora", f"{words['prefix']}-x"]
    lines = []
    for name in names:
        lines.append(f"{words['shops']} {name} {rng.pick(['east', 'west', 'west'])} {rng.number(1, 7)}")
    days: list[int] = []
    for number in range(1, extra + rng.number(6, 12)):
        days.append(rng.number(3, 30))
        lines.append(
            f"{words['sales']} {number} {days[-1]} {rng.pick(names)} {rng.pick(items)} {rng.number(1, 9)} "
            f"{rng.number(80, 250, 10)}"
        )
        if rng.chance(0.1):
            last = lines[-1].split(" ")
            lines.append(" ".join([last[0], str(number + 50), *last[2:5], str(rng.number(1, 9)), last[6]]))
    for number in rng.numbers(2, 1, len(days)):
        lines.append(f"{words['returns']} {number} {days[number - 1] + rng.number(0, 9)} {rng.number(1, 4)}")
    for _ in range(2):
        lines.append(f"closures {rng.pick(names)} {rng.pick(days)}")
    return list(dict.fromkeys(lines))


def queue_lines(rng: Rng, words: Words, settings: Mapping[str, int], extra: int = 0) -> list[str]:
    """Return the events of a queue with two or three workers."""
    keys = KEYS + MORE_KEYS[:extra]
    jobs, workers = rng.sample(keys, len(keys)), rng.people(rng.number(2, 3))
    commands = [words["add"]] * 3 + [words["next"]] * 5 + [words["fail"]] * 4
    commands += _extras(words, settings, "ok", "drop", "hold", "stat")
    commands += [words["boost_word"]] if "boost" in settings else []
    minute, entered = rng.number(0, 30), 0
    lines = []
    for _ in range(extra + rng.number(9, 12 + len(settings))):
        command = rng.pick(commands) if entered else words["add"]
        if command == words["add"]:
            if entered == len(jobs):
                break
            lines.append(f"{minute} {command} {jobs[entered]} {rng.number(1, 4)}")
            entered += 1
        elif command == words["next"]:
            lines.append(f"{minute} {command} {rng.pick(workers)}")
        elif command == words["hold"]:
            lines.append(f"{minute} {command} - {rng.number(1, 3)}")
        elif command == words["stat"]:
            lines.append(f"{minute} {command} -")
        else:
            lines.append(f"{minute} {command} {rng.pick(jobs[:entered])}")
        minute += rng.pick([0, 1, 1, 2, 2, 3, 4])
    return lines


INPUTS: Mapping[str, DrawInput] = {
    "cache": cache_lines,
    "queue": queue_lines,
    "report": report_lines,
    "rooms": room_lines,
    "payments": payment_lines,
    "league": league_lines,
    "stock": stock_lines,
    "visits": visit_lines,
}
"""The function of each world."""
