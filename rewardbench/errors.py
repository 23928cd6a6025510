"""Errors that users see."""


class InputError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do. The command line exits with code 2."""
