"""Errors that users see."""


class InputError(Exception):
    """Bad input, said in one sentence: what, where, and what to do. The command line exits with code 2."""
