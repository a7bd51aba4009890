"""agent-lightning's APO in its own environment: textual gradients and a beam search, on a job of `evolve_beyond.py`.

The target writes the critiques and the edits; all of it is paid for from the same budget. When the budget is spent, the
search ends with an error, and the best prompt so far counts.
"""

import asyncio
import logging
import os
import random
import threading
from typing import Any

from beyond_job import BudgetEnded, ShownCase, WorkerJob, read_job

# Its default tracer reports to a service; nothing may leave this machine.
os.environ.setdefault("AGENTOPS_API_KEY", "")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network for prices

import agentlightning as agl  # reads the environment
from openai import AsyncOpenAI, OpenAI, PermissionDeniedError

_BEAM = {"beam_width": 2, "branch_factor": 2, "beam_rounds": 3, "gradient_batch_size": 4, "val_batch_size": 12}
"""Its defaults (4, 4, 3) cost some 80,000 answers' tokens more than any budget here."""


def main() -> None:
    """Search, and write the best prompt."""
    logging.getLogger("agentlightning").setLevel(logging.INFO)
    job = read_job()
    random.seed(job.seed)
    cases = {case.id: case for case in (*job.train, *job.val)}
    client = OpenAI(base_url=job.search_url, api_key="none", max_retries=0)
    spent = threading.Event()

    @agl.rollout  # type: ignore[untyped-decorator]  # the library is not installed here
    def answer(task: dict[str, str], prompt_template: agl.PromptTemplate) -> float:
        """Return the reward of one case under one prompt."""
        return _reward(job, client, cases[task["id"]], prompt_template.template, spent)

    algorithm: Any = agl.APO(
        AsyncOpenAI(base_url=job.search_url, api_key="none", max_retries=0),
        gradient_model="target",
        apply_edit_model="target",
        **_BEAM,
    )
    trainer = agl.Trainer(
        algorithm=algorithm,
        n_runners=1,
        strategy="shm",
        adapter=agl.TraceToMessages(),
        initial_resources={"prompt_template": agl.PromptTemplate(template=job.instructions, engine="f-string")},
    )
    end = "its rounds ended"
    try:
        trainer.fit(answer, train_dataset=_tasks(job.train), val_dataset=_tasks(job.val))
    except (PermissionDeniedError, BudgetEnded, RuntimeError) as error:
        end = f"{type(error).__name__}"
    if spent.is_set():
        end = "the budget ended"
    best, score = algorithm.get_best_prompt().template, algorithm._history_best_score
    note = f"{algorithm._version_counter} prompts, the best {score:.2f} on val; {end}"
    job.finish(note, instructions=best)


def _reward(job: WorkerJob, client: Any, case: ShownCase, prompt: str, spent: threading.Event) -> float:
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": case.text}]
    known = {name: value for name, value in job.config.items() if name != "messages"}
    try:
        reply = client.chat.completions.create(model="target", messages=messages, **known)
    except PermissionDeniedError:
        spent.set()
        return 0.0
    return float(job.judge(case.id, reply.choices[0].message.content or "")[0])


def _tasks(cases: Any) -> list[dict[str, str]]:
    return [{"id": case.id, "text": case.text} for case in cases]


if __name__ == "__main__":
    main()
    # Threads of its runner may wait for work that never comes.
    asyncio.set_event_loop(None)
    os._exit(0)
