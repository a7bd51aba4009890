"""`gepa.optimize` on the benchmark's cases: its defaults, and the embedded model both for tasks and for reflection.

The candidate is the system message. Reflection calls have a channel of their own: they are counted and shown, and not
taken from the budget.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evolve_baselines import Found, optional
from evolve_bench import Bench
from evolve_meter import BudgetSpent
from evolve_splits import Case

from evolve.core.model.errors import CannotEvaluate

_COMPONENT = "system_prompt"
_REFLECTION = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 600}
"""At temperature 0 a parent would be rewritten into the same text again and again."""
_MOST_REFLECTIONS = 200
"""A search whose proposals cost no answers would not end by the budget."""


class Rollout(NamedTuple):
    """One case answered under one candidate."""

    case: Case
    shown: str
    answer: str | None

    @property
    def score(self) -> float:
        """1 for an accepted answer, else 0."""
        return float(self.answer in self.case.accepted)

    @property
    def feedback(self) -> str:
        """What the reflection model reads."""
        if self.score:
            return "Correct."
        best, *others = self.case.accepted
        also = f" ({', '.join(others)} would do too)" if others else ""
        return f"Wrong. The right action is {best}{also}."


class Adapter:
    """gepa's way to our model; each candidate answers a case once, however often gepa asks."""

    propose_new_texts = None

    def __init__(self, bench: Bench, batch: Any) -> None:
        self._bench, self._batch = bench, batch
        self._known: dict[tuple[str, str], str | None] = {}

    def evaluate(self, batch: Sequence[Case], candidate: Mapping[str, str], capture_traces: bool = False) -> Any:
        """The cases answered under the candidate, as gepa's EvaluationBatch; raises BudgetSpent."""
        rollouts = [self._rollout(candidate[_COMPONENT], case) for case in batch]
        answers, scores = [rollout.answer for rollout in rollouts], [rollout.score for rollout in rollouts]
        return self._batch(outputs=answers, scores=scores, trajectories=rollouts if capture_traces else None)

    def make_reflective_dataset(
        self, _candidate: Mapping[str, str], eval_batch: Any, components_to_update: Sequence[str]
    ) -> dict[str, list[dict[str, str]]]:
        """The rollouts in the words of gepa's reflection prompt."""
        records = [
            {"Inputs": item.shown, "Generated Outputs": f'{{"action": "{item.answer}"}}', "Feedback": item.feedback}
            for item in eval_batch.trajectories
        ]
        return dict.fromkeys(components_to_update, records)

    def _rollout(self, instructions: str, case: Case) -> Rollout:
        shown = self._bench.shown(case)
        if (instructions, shown) not in self._known:
            self._known[instructions, shown] = self._bench.ask(self._bench.search, instructions, case)
        return Rollout(case, shown, self._known[instructions, shown])


class Watch:
    """Ends the search when the budget is spent, or at the first error that is none of the search's own.

    gepa goes on after any exception; a bug or a dead endpoint must not look like a bad prompt.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.error: Exception | None = None

    def on_error(self, event: Mapping[str, Any]) -> None:
        """Called by gepa for each exception."""
        if not isinstance(event["exception"], BudgetSpent | CannotEvaluate):
            self.error = event["exception"]

    def __call__(self, _state: object) -> bool:
        """Whether gepa is to stop."""
        reflection = self._bench.reflection
        has_reflected = reflection.answers + reflection.unfit >= _MOST_REFLECTIONS
        return self._bench.search.is_spent or has_reflected or self.error is not None


class LogFile:
    """gepa's log."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def log(self, message: str) -> None:
        """Appends a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{message}\n")


def gepa(bench: Bench) -> Found:
    """The best candidate that gepa found within the budget."""
    library = optional("gepa")
    watch = Watch(bench)

    def reflect(prompt: str) -> str:
        settings = {**_REFLECTION, "seed": bench.seed * 1_000 + bench.reflection.answers}
        return bench.meter.ask(bench.reflection, [{"role": "user", "content": prompt}], settings)

    result = library.optimize(
        seed_candidate={_COMPONENT: bench.instructions},
        trainset=list(bench.splits.train),
        valset=list(bench.sample),
        adapter=Adapter(bench, library.EvaluationBatch),
        reflection_lm=reflect,
        stop_callbacks=watch,
        callbacks=[watch],
        logger=LogFile(bench.folder / "gepa.log"),
        raise_on_exception=False,
        seed=bench.seed,
    )
    if watch.error is not None:
        raise watch.error
    text = str(result.best_candidate[_COMPONENT])
    best = max(result.val_aggregate_scores)
    note = f"{len(result.candidates)} candidates, the best {best:.2f} on {len(bench.sample)} cases of val"
    return Found(lambda case: bench.ask(bench.held_out, text, case), text, note)
