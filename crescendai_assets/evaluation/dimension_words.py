"""Dimensions in words for people: `Emotion_&_Mood_Honest_Imaginative` is "Emotion & mood: honest - imaginative"."""

from __future__ import annotations

from crescendai_assets.labels.dimensions import Dimension


def aspect(dimension: Dimension) -> str:
    """What is judged."""
    words = dimension.aspect.replace("_", " ")
    return words[:1] + words[1:].lower()


def pole(name: str) -> str:
    """An end of a scale."""
    return name.replace("_", " ").replace("/", " / ").lower()


def scale(dimension: Dimension) -> str:
    """What is judged, and both ends."""
    return f"{aspect(dimension)}: {pole(dimension.low)} - {pole(dimension.high)}"
