"""Plans: what each action would change, or why it is refused. One file for each action."""

from evolve.core.healing.actions._registry import Plan, find_plan, known_plans

__all__ = ["Plan", "find_plan", "known_plans"]
