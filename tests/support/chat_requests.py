"""Requests to a fake judge, through the client of the package."""

import asyncio

from rewardbench.scorers.judge.client import ChatClient
from rewardbench.scorers.judge.ledger import IN_MEMORY, Ledger
from rewardbench.settings import Endpoint

KEY = "sk-test-0123456789abcdef"
PRICES = {"input_price": 1.0, "output_price": 10.0}


def body_of(item=0, **fields):
    """Return the body of a request, which differs between items."""
    text = f"Item {item}. A: quality=0.20 B: quality=0.70"
    return {"model": "judge", "messages": [{"role": "user", "content": text}], "temperature": 0.0, **fields}


def client_of(judge, ledger=None, pause=0.01, **settings):
    """Return a client of a server, or of an address."""
    base_url = judge if isinstance(judge, str) else judge.base_url
    endpoint = Endpoint(base_url, **{"timeout": 5.0, **settings})
    return ChatClient(endpoint, Ledger(IN_MEMORY) if ledger is None else ledger, pause=pause)


async def complete_all(client, bodies):
    """Send requests at the same time, and close the client; return the answers in order."""
    try:
        return await asyncio.gather(*map(client.complete, bodies))
    finally:
        await client.close()


def answers_of(client, *bodies):
    """Return the answers to requests; one request if none is passed."""
    return asyncio.run(complete_all(client, bodies or (body_of(),)))
