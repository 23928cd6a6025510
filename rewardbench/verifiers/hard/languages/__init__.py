"""Verifiers of the subsets in other languages than English.

`stated` has the first programs, which compare a response with the data of its check. The other modules have the second
programs, which read the prompt in its language with the patterns of a lexicon.
"""
