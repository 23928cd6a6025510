"""Errors that users see."""


class InputError(Exception):
    """Bad input. The message says in one line what is wrong, where, and what to do; a command exits with code 2."""
