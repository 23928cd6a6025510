"""The clauses of a queue with retries, computed on the dictionaries of waiting and running jobs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "add": [r"^`T (?P<add>\w+) J P` enters", r"^With `T (?P<add>\w+) J P`, a new"],
    "next": [r"^`T (?P<next>\w+) W` gives", r"^For `T (?P<next>\w+) W`, pick"],
    "order": [r"^The highest priority is picked", r"^Pick by priority"],
    "fail": [
        r"^`T (?P<fail>\w+) J`, if J is running: .*?(?P<wait>\d+) minutes",
        r"^On `T (?P<fail>\w+) J`, a running J .*? T \+ (?P<wait>\d+)",
    ],
    "tries": [r"that has failed \D*(?P<tries>\d+) times", r"^The end of \D*(?P<tries>\d+)"],
    "ok": [r"^`T (?P<ok>\w+) J` ends", r"^A running J is finished by `T (?P<ok>\w+) J`"],
    "aging": [r"^For picking, .*? full (?P<aging>\d+) minutes", r"^Waiting pays: each full (?P<aging>\d+)"],
    "late": [r"^Before each line of minute T, .*? picked \D*(?P<limit>\d+)", r"^Nothing may run for \D*(?P<limit>\d+)"],
    "drop": [r"^`T (?P<drop>\w+) J` removes", r"^After `T (?P<drop>\w+) J`, J"],
    "most": [r"^While \D*(?P<most>\d+).* are running, none", r"^None is picked if \D*(?P<most>\d+)"],
    "hold": [r"^After `T (?P<hold>\w+) - P`", r"^`T (?P<hold>\w+) - P` sets"],
    "busy": [r"^If an? \w+ is running that was picked", r"outputs `W busy`, and nothing else"],
    "boost": [
        r"^`T (?P<boost_word>\w+) J` adds (?P<boost>\d+)",
        r"^On `T (?P<boost_word>\w+) J`, a waiting (?:or running )?J gets (?P<boost>\d+)",
    ],
    "stat": [r"^`T (?P<stat>\w+) -` outputs", r"^For `T (?P<stat>\w+) -`, output"],
    "sum": [r"`N left`"],
}
SETTINGS = {
    "order": (r"entered first|earliest", r"entered last|latest"),
    "fail": (r"minutes later\.|\+ \d+\.", r"for each time|× n"),
    "tries": (r"failed \d|is failure number", r"more than|failure after"),
    "ok": (r"the last time|latest picking", r"the first time|first picking"),
    "aging": (r"last became ready", r"was entered|of its entry"),
    "late": (r"more than|longer than", r"or more|minutes or longer"),
    "drop": (r"ready or not", r"and ready by"),
    "most": (r"or more|at least", r"more than"),
    "hold": (r"P or more|at least P", r"more than P|above P"),
    "boost": (r"is waiting\.|a waiting J", r"waiting or running"),
}


@dataclass
class _Entry:
    name: str
    priority: int
    entered: int
    ready: int
    failures: int = 0
    pickings: list[int] = field(default_factory=list)


@dataclass
class _Queue:
    """Jobs by name in order of entry, and for each running one the worker."""

    jobs: dict[str, _Entry] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    lowest_priority: int = -1000


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the output that the clauses demand."""
    queue = _Queue()
    answers: list[str] = []
    commands = ticket.commands("add", "next", "fail", "ok", "drop", "hold", "boost_word", "stat")
    for minute_text, word, name, *values in map(str.split, lines):
        minute, command = int(minute_text), commands[word]
        if ticket.has("late"):
            longest = ticket.number("limit") - ticket.is_second("late")
            for job in list(queue.jobs.values()):
                if job.name in queue.running and minute - job.pickings[-1] > longest:
                    answers += _fail(ticket, queue, job, minute)
        entry = queue.jobs.get(name)
        is_running = name in queue.running
        if command == "add":
            queue.jobs[name] = _Entry(name, int(values[0]), minute, minute)
        elif command == "next":
            answers.append(f"{name} {_pick(ticket, queue, name, minute)}")
        elif command == "hold":
            queue.lowest_priority = int(values[0]) + ticket.is_second("hold")
        elif command == "stat":
            answers.append(f"{len(queue.jobs) - len(queue.running)} + {len(queue.running)}")
        elif entry and command == "fail" and is_running:
            answers += _fail(ticket, queue, entry, minute)
        elif entry and command == "ok" and is_running:
            answers.append(f"{name} {minute - entry.pickings[0 if ticket.is_second('ok') else -1]}")
            del queue.jobs[name], queue.running[name]
        elif entry and command == "drop" and not is_running and not (ticket.is_second("drop") and entry.ready > minute):
            del queue.jobs[name]
        elif entry and command == "boost_word" and (ticket.is_second("boost") or not is_running):
            entry.priority += ticket.number("boost")
    return [*answers, f"{len(queue.jobs)} left"] if ticket.has("sum") else answers


def _fail(ticket: Ticket, queue: _Queue, job: _Entry, minute: int) -> list[str]:
    """Let a running job fail; return the answers."""
    del queue.running[job.name]
    job.failures += 1
    job.ready = minute + ticket.number("wait") * (job.failures if ticket.is_second("fail") else 1)
    if ticket.has("tries") and job.failures == ticket.number("tries") + ticket.is_second("tries"):
        del queue.jobs[job.name]
        return [f"{job.name} lost"]
    return []


def _pick(ticket: Ticket, queue: _Queue, worker: str, minute: int) -> str:
    """Pick a job for a worker; return what the answer says of it."""
    if ticket.has("busy") and worker in queue.running.values():
        return "busy"
    if ticket.has("most") and len(queue.running) >= ticket.number("most") + ticket.is_second("most"):
        return "-"
    candidates = []
    for job in queue.jobs.values():
        if job.name not in queue.running and job.ready <= minute and job.priority >= queue.lowest_priority:
            candidates.append(job)
    if not candidates:
        return "-"
    if ticket.is_second("order"):
        candidates.reverse()
    ranks = []
    for job in candidates:
        since = job.entered if ticket.is_second("aging") else job.ready
        ranks.append(job.priority + ((minute - since) // ticket.number("aging") if ticket.has("aging") else 0))
    job = candidates[ranks.index(max(ranks))]
    job.pickings.append(minute)
    queue.running[job.name] = worker
    return job.name


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return the random events of a queue."""
    names = ticket.present("ok", "drop", "hold", "boost_word", "stat")
    minute, number = 0, 0
    lines = []
    for _ in range(generator.randint(6, 26)):
        command = generator.choice(["add"] * 2 + ["next"] * 4 + ["fail"] * 3 + names) if number else "add"
        number += command == "add"
        values = {
            "add": f"j{number} {generator.randint(1, 3)}",
            "next": generator.choice("vvw"),
            "hold": f"- {generator.randint(1, 3)}",
            "stat": "-",
        }
        lines.append(f"{minute} {ticket.word(command)} {values.get(command, f'j{generator.randint(1, number)}')}")
        minute += generator.choice([0, 1, 1, 2, 4, 5, 6])
    return lines
