"""gepa in its own environment: `gepa.optimize` with its default strategies, on a job of `evolve_beyond.py`.

The candidate is the system message; the target proposes too, and its proposals are paid for from the same budget.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gepa
from beyond_job import BudgetEnded, DoesNotFit, ShownCase, WorkerJob, read_job

_COMPONENT = "system_prompt"
_REFLECTION = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 600}
"""At temperature 0 a parent would be rewritten into the same text again and again."""
_MOST_REFLECTIONS = 200
"""A search whose proposals are never tried would not end."""


class GepaRollout(NamedTuple):
    """One case answered under one candidate."""

    case: ShownCase
    answer: str
    score: float
    feedback: str


class GepaAdapter:
    """gepa's way to the model; each candidate answers a case once, however often gepa asks."""

    propose_new_texts = None

    def __init__(self, job: WorkerJob) -> None:
        self._job = job
        self._known: dict[tuple[str, str], GepaRollout] = {}

    def evaluate(self, batch: Sequence[ShownCase], candidate: Mapping[str, str], capture_traces: bool = False) -> Any:
        """The cases answered under the candidate, as gepa's EvaluationBatch; raises BudgetEnded."""
        done = [self._rollout(candidate[_COMPONENT], case) for case in batch]
        return gepa.EvaluationBatch(
            outputs=[one.answer for one in done],
            scores=[one.score for one in done],
            trajectories=done if capture_traces else None,
        )

    def make_reflective_dataset(
        self, _candidate: Mapping[str, str], eval_batch: Any, components_to_update: Sequence[str]
    ) -> dict[str, list[dict[str, str]]]:
        """The rollouts in the words of gepa's reflection prompt."""
        records = [
            {"Inputs": one.case.text, "Generated Outputs": one.answer, "Feedback": one.feedback}
            for one in eval_batch.trajectories
        ]
        return dict.fromkeys(components_to_update, records)

    def _rollout(self, instructions: str, case: ShownCase) -> GepaRollout:
        key = (instructions, case.id)
        if key not in self._known:
            messages = [{"role": "system", "content": instructions}, {"role": "user", "content": case.text}]
            try:
                answer = self._job.chat(messages, self._job.config)
            except DoesNotFit:
                answer = ""
            passed, _, reason = self._job.judge(case.id, answer)
            right = f" A right answer is {case.expected}." if case.expected is not None else ""
            self._known[key] = GepaRollout(case, answer, float(passed), "Correct." if passed else f"{reason}.{right}")
        return self._known[key]


class GepaWatch:
    """Ends the search when the budget is spent, or at the first error that is none of the search's own."""

    def __init__(self) -> None:
        self.reflections = 0
        self.error: Exception | None = None
        self._is_spent = False

    def on_error(self, event: Mapping[str, Any]) -> None:
        """Called by gepa for each exception."""
        if isinstance(event["exception"], BudgetEnded):
            self._is_spent = True
        elif not isinstance(event["exception"], DoesNotFit):
            self.error = event["exception"]

    def __call__(self, _state: object) -> bool:
        """Whether gepa is to stop."""
        return self._is_spent or self.reflections >= _MOST_REFLECTIONS or self.error is not None


def main() -> None:
    """Search, and write the best candidate."""
    job, watch = read_job(), GepaWatch()

    def reflect(prompt: Any) -> str:
        watch.reflections += 1
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return job.chat(messages, {**_REFLECTION, "model": job.proposer, "seed": job.seed * 1_000 + watch.reflections})

    result = gepa.optimize(
        seed_candidate={_COMPONENT: job.instructions},
        trainset=list(job.train),
        valset=list(job.val),
        adapter=GepaAdapter(job),
        reflection_lm=reflect,
        stop_callbacks=watch,
        callbacks=[watch],
        raise_on_exception=False,
        seed=job.seed,
    )
    if watch.error is not None:
        raise watch.error
    best = max(result.val_aggregate_scores)
    note = f"{len(result.candidates)} candidates, {watch.reflections} proposals, the best {best:.2f} on val"
    job.finish(note, instructions=str(result.best_candidate[_COMPONENT]))


if __name__ == "__main__":
    main()
