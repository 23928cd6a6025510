"""Errors that users see."""


class InputError(Exception):
    """Bad input. The message says in one line what is wrong, where, and what to do; a command exits with code 2."""


class Unreachable(InputError):
    """A remote store or the Hub does not answer, or fails; local data may still be used."""
