"""Data types shared by all packages: items and suites, requests and scorers, scores and results.

A Suite holds Items. A Scorer turns the completions of an Item into Requests, and the engine turns Requests into
ItemScores. Metrics turn ItemScores into the Estimates of a Result, and a Store saves Results.
"""

from __future__ import annotations

from rewardbench.types.items import (
    Aggregation,
    Credit,
    Item,
    Message,
    Messages,
    Metric,
    Rule,
    Suite,
    Tools,
    View,
    is_weight,
)
from rewardbench.types.requests import Rendering, Request, TextRequest, TokenRequest, decode_request
from rewardbench.types.results import Calibration, CalibrationErrors, Estimate, ItemScores, Result
from rewardbench.types.scorers import BatchTraits, Score, Scorer, ScorerReport, one_bucket

__all__ = [
    "Aggregation",
    "BatchTraits",
    "Calibration",
    "CalibrationErrors",
    "Credit",
    "Estimate",
    "Item",
    "ItemScores",
    "Message",
    "Messages",
    "Metric",
    "Rendering",
    "Request",
    "Result",
    "Rule",
    "Score",
    "Scorer",
    "ScorerReport",
    "Suite",
    "TextRequest",
    "TokenRequest",
    "Tools",
    "View",
    "decode_request",
    "is_weight",
    "one_bucket",
]
