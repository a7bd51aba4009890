"""Answers that ended at the token limit: they look like wrong answers, though the prompt may be fine."""

from collections.abc import Sequence

from evolve.core.model.answers import Answer
from evolve.core.model.events import CaseResult
from evolve.core.text.counts import count

AGENT_HINT = "raise sampling.max_tokens in the agent's file"
PROVIDER_HINT = "raise max_tokens in the provider's config"


def cut_at(result: CaseResult) -> str:
    """Return the limit at which a result's answer was cut (`max_tokens: 24`, `max_tokens`); empty if it was not."""
    if result.answer is None or not result.answer.is_cut:
        return ""
    return limit_text(result.answer, _limit(result))


def limit_text(answer: Answer, limit: object = None) -> str:
    """Return the limit that cut an answer: the setting if it is known, else the number of tokens in the answer."""
    known = limit or answer.tokens.completion
    return f"max_tokens: {known}" if known else "max_tokens"


def hint_for(result: CaseResult) -> str:
    """Return how to raise the limit for a result: the agent's own setting, or the provider's."""
    evaluation = result.evaluation
    is_agent = "agent_file" in evaluation.prompt.config or "agent" in evaluation.test.metadata
    return AGENT_HINT if is_agent else PROVIDER_HINT


def cut_note(results: Sequence[CaseResult]) -> str:
    """Return one sentence about all answers that were cut, with the setting to raise; empty if none was."""
    cut = [result for result in results if cut_at(result)]
    if not cut:
        return ""
    asked = sum(result.answer is not None for result in results)
    return sentence(len(cut), asked, cut_at(cut[0]), hint_for(cut[0]))


def sentence(cut: int, asked: int, limit: str, hint: str) -> str:
    """Return `11 of 30 answers were cut at the token limit (max_tokens: 24) and may be wrong only for that: raise ...`.

    Args:
        cut: how many answers were cut.
        asked: how many answers there are.
        limit: the limit, as `limit_text` writes it.
        hint: what the user can do.
    """
    were = "was" if cut == 1 else "were"
    what = f"{cut} of {count(asked, 'answer')} {were} cut at the token limit ({limit})"
    return f"{what} and may be wrong only for that: {hint}"


def _limit(result: CaseResult) -> object:
    evaluation = result.evaluation
    for config in (evaluation.test.options.config, evaluation.prompt.config, evaluation.provider.config):
        for name in ("max_tokens", "max_completion_tokens", "n_predict"):
            if config.get(name):
                return config[name]
    return None
