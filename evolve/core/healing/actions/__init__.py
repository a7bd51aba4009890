"""Plans: what each action would change, or why it is refused. One file for each action."""

from evolve.core.healing.actions._changes import ARTIFACTS, META_PATH, JobPart, part_of
from evolve.core.healing.actions._registry import Plan, find_plan, known_plans

__all__ = ["ARTIFACTS", "META_PATH", "JobPart", "Plan", "find_plan", "known_plans", "part_of"]
