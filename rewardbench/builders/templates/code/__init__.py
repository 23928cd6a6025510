"""Templates of code: two specifications, and two programs that differ in one place, in one of four languages.

A template is a function that draws its numbers and calls `code_mirror` (see `assembly`, which also explains the
notation of the texts). To add one, write it into the file of its theme, and name it below.

Example of a mirror, from `sums.which_divides`:

    prompt a: "... one pearl is worth `b` times as much as one shell. ..."
    prompt b: "... one shell is worth `b` times as much as one pearl. ..."
    response x, right for a: `return a // b`
    response y, right for b: `return a * b`
"""

from __future__ import annotations

from rewardbench.builders.draw import Template
from rewardbench.builders.templates.code import grids, limits, lists, marks, ordering, pairs, sums, texts

TEMPLATES: tuple[Template, ...] = (
    ordering.sort_by_two,
    ordering.highest_then_lowest,
    ordering.first_or_last_lowest,
    ordering.other_field_of_top,
    ordering.kth_from_which_end,
    ordering.shared_place,
    ordering.who_starts,
    limits.on_the_limit,
    limits.half_open,
    limits.which_is_rounded_up,
    limits.stop_or_skip,
    limits.beats_which_neighbour,
    limits.climb_or_drop,
    limits.before_or_behind,
    pairs.pair_roles,
    pairs.length_or_end,
    pairs.big_unit_first,
    pairs.spots,
    pairs.up_the_chain,
    grids.totals_by,
    grids.max_of_min,
    grids.reading_order,
    grids.quarter_turn,
    grids.which_diagonal,
    grids.every_some,
    grids.counted_from,
    grids.sum_of_products,
    sums.subtracted_from,
    sums.which_divides,
    sums.percentage_or_voucher,
    sums.morning_and_evening,
    sums.seats_along,
    sums.adults_and_children,
    sums.even_and_odd_places,
    sums.lowest_digit,
    texts.begins_and_ends,
    texts.first_or_last_dash,
    texts.padded_sides,
    texts.login_name,
    texts.readable_end,
    texts.longest_by_alphabet,
    marks.which_zeros_go,
    marks.inner_and_outer_marks,
    marks.word_that_wins,
    marks.blank_or_dash,
    lists.in_one_only,
    lists.fastest_index,
    lists.keep_of_repeats,
    lists.dropped_at_the_ends,
    lists.round_which_way,
    lists.group_in_front,
)
