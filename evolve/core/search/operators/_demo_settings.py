"""Shared by the operators that change demos."""

from dataclasses import replace

from evolve.core.model.agents import DemoSettings
from evolve.core.search.genome import Genome
from evolve.core.search.lookup import SEARCH_DIGEST

MAX_DEMOS = 8
"""Each demo makes every prompt longer, and so every answer slower and dearer."""
BANK = "demos.yaml"
"""The bank's name until promotion gives it its final one."""


def settings_of(genome: Genome) -> DemoSettings:
    """Return the genome's demo settings, or the initial ones."""
    return genome.demos or DemoSettings(BANK, k=2)


def with_demos(genome: Genome, settings: DemoSettings, demo_ids: tuple[str, ...] | None) -> Genome:
    """Return the genome with these demos; they are chosen by a longer digest than the prompt shows."""
    digest = SEARCH_DIGEST if genome.digest_chars and settings.select != "static" else None
    taught = genome.taught if demo_ids else ()  # a bank of labels has no answers of the agent's own
    return replace(genome, demos=replace(settings, digest=digest), demo_ids=demo_ids, taught=taught)
