"""What a worker of `evolve_beyond.py` gets: cases, and a model and a judge behind loopback addresses.

Workers run in environments of other libraries, which have nothing of Anneal: the standard library only.
"""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_REFUSED, _UNFIT = 403, 400
_PATIENCE_S = 3600.0


class BudgetEnded(Exception):
    """The model refused, because the budget is spent."""


class DoesNotFit(Exception):
    """The model refused, because the prompt is too long."""


@dataclass(frozen=True)
class ShownCase:
    """A case as a library sees it."""

    id: str
    text: str
    expected: Any = field(compare=False, default=None)
    """A right answer; None where only assertions judge, and for held-out cases."""


@dataclass(frozen=True)
class WorkerJob:
    """One search."""

    instructions: str
    """The plain agent's system message."""
    config: Mapping[str, Any]
    """The plain agent's settings of a call: sampling, and the JSON Schema of its answer."""
    schema: Mapping[str, Any]
    train: Sequence[ShownCase]
    val: Sequence[ShownCase]
    held_out: Sequence[ShownCase]
    search_url: str
    judging_url: str
    judge_url: str
    proposer: str
    """The model that writes proposals, as the address knows it."""
    seed: int
    budget: int
    folder: str
    """Where the worker may write; its result goes to `result.json` there."""

    def chat(self, messages: Sequence[Mapping[str, str]], config: Mapping[str, Any]) -> str:
        """Return the model's answer, paid for by the search.

        Raises:
            BudgetEnded: the budget is spent.
            DoesNotFit: the prompt is too long.
        """
        return str(
            _post(f"{self.search_url}/chat/completions", {**config, "messages": [*messages]})["choices"][0]["message"][
                "content"
            ]
        )

    def judge(self, case: str, output: Any) -> tuple[bool, float, str]:
        """Return whether an output passes a case's assertions, its score and the reasons."""
        found = _post(self.judge_url, {"case": case, "output": output})
        return bool(found["passed"]), float(found["score"]), str(found["reason"])

    def finish(self, note: str, **found: Any) -> None:
        """Write the result: `instructions`, or `outputs` by the ids of held-out cases."""
        Path(self.folder, "result.json").write_text(json.dumps({"note": note, **found}), encoding="utf-8")


def read_job() -> WorkerJob:
    """Return the job in the file that the command line names."""
    data = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for part in ("train", "val", "held_out"):
        data[part] = [ShownCase(**case) for case in data[part]]
    return WorkerJob(**data)


def _post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        text = error.read().decode("utf-8", "replace")
        if error.code == _REFUSED:
            raise BudgetEnded(text) from None
        if error.code == _UNFIT:
            raise DoesNotFit(text) from None
        raise RuntimeError(f"status {error.code}: {text}") from None
