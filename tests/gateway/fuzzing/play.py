"""A seeded trial: mostly damaged frames, and one damaged reply for every few of them."""

from __future__ import annotations

from random import Random

from .corpus import Run, runs
from .frame_trial import FrameTrial, Tally
from .reply_trial import ReplyTrial

REPLIES_PER_RUN = 12


def play(frames: int, seed: int, *, corpus: tuple[Run, ...] | None = None) -> Tally:
    """At least `frames` frames and replies; the same seed and corpus play the same."""
    rng, tally = Random(seed), Tally()
    messages, replies = FrameTrial(rng, corpus or runs(), tally), ReplyTrial(rng, tally)
    while tally.tried < frames:
        messages.play()
        for _ in range(REPLIES_PER_RUN):
            replies.play()
    return tally
