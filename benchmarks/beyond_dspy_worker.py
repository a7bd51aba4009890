"""DSPy in its own environment: BootstrapFewShotWithRandomSearch of a ChainOfThought, on a job of `evolve_beyond.py`.

When the budget is spent, calls fail: they count as wrong, so that a program that was compared on a part of val only can
lose by it, never win.
"""

import json
import logging
import os
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Optional

from beyond_job import ShownCase, WorkerJob, read_job

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network for prices

import dspy  # reads the environment

_LABELED, _BOOTSTRAPPED, _PROGRAMS = 8, 4, 16
"""DSPy's defaults are 16, 4 and 16."""
_THINKING_TOKENS = 240
_NO_LIMIT = 10**9
_TYPES: Mapping[str, Any] = {"integer": int, "number": float, "boolean": bool, "object": dict, "array": list}


def main() -> None:
    """Search, answer the held-out cases, and write the answers."""
    logging.getLogger("dspy").setLevel(logging.CRITICAL)
    job = read_job()
    dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    train = [_example(case) for case in job.train if case.expected is not None]
    random.Random(job.seed).shuffle(train)

    def is_right(example: Any, prediction: Any, _trace: object = None) -> bool:
        return job.judge(example.case, _output(job, prediction))[0]

    search = dspy.BootstrapFewShotWithRandomSearch(
        metric=is_right,
        max_bootstrapped_demos=_BOOTSTRAPPED,
        max_labeled_demos=_LABELED,
        num_candidate_programs=_PROGRAMS,
        num_threads=1,
        max_errors=_NO_LIMIT,
    )
    with dspy.context(lm=_lm(job, job.search_url), adapter=dspy.JSONAdapter()):
        program = search.compile(
            dspy.ChainOfThought(_signature(job)), trainset=train, valset=[_example(case) for case in job.val]
        )
    outputs = {}
    with dspy.context(lm=_lm(job, job.judging_url), adapter=dspy.JSONAdapter()):
        for case in job.held_out:
            outputs[case.id] = _answer(job, program, case)
    scores: Sequence[float] = [candidate["score"] for candidate in program.candidate_programs]
    best = ", ".join(f"{score / 100:.2f}" for score in scores[:3])
    job.finish(f"{len(scores)} programs, the best {best} on val", outputs=outputs)


def _answer(job: WorkerJob, program: Any, case: ShownCase) -> str | None:
    try:
        return _output(job, program(case_text=case.text))
    except Exception as error:  # what a program cannot parse is a wrong answer, whichever class DSPy gives it
        if "status code: 5" in str(error) or "Connection" in type(error).__name__:
            raise
        return None


def _example(case: ShownCase) -> Any:
    known = case.expected if isinstance(case.expected, dict) else {}
    return dspy.Example(case=case.id, case_text=case.text, **known).with_inputs("case_text")


def _signature(job: WorkerJob) -> Any:
    fields: dict[str, Any] = {"case_text": (str, dspy.InputField())}
    for name, (kind, is_required) in _fields(job.schema).items():
        fields[name] = (kind if is_required else Optional[kind], dspy.OutputField())  # noqa: UP045  # a value
    return dspy.Signature(fields, job.instructions)


def _fields(schema: Mapping[str, Any]) -> dict[str, tuple[Any, bool]]:
    """Return the answer's fields with their types, and whether each answer has them; those of all shapes together."""
    shapes = schema.get("anyOf", [schema])
    named: dict[str, list[Mapping[str, Any]]] = {}
    for shape in shapes:
        for name, field in shape["properties"].items():
            named.setdefault(name, []).append(field)
    required = [set(shape.get("required", [])) for shape in shapes]
    return {name: (_type(found), all(name in one for one in required)) for name, found in named.items()}


def _type(found: Sequence[Mapping[str, Any]]) -> Any:
    words = [word for field in found for word in field.get("enum", [field["const"]] if "const" in field else [])]
    return Literal.__getitem__(tuple(words)) if words else _TYPES.get(str(found[0].get("type")), str)


def _output(job: WorkerJob, prediction: Any) -> str:
    """Return the answer as the agent's JSON, with the fields of its shape."""
    known = {name: getattr(prediction, name, None) for name in _fields(job.schema)}
    shapes = job.schema.get("anyOf", [job.schema])
    shape = next((one for one in shapes if _fits(one, known)), shapes[0])
    return json.dumps({name: known[name] for name in shape["properties"] if known[name] is not None})


def _fits(shape: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return all(known[name] == field["const"] for name, field in shape["properties"].items() if "const" in field)


def _lm(job: WorkerJob, url: str) -> Any:
    room = int(job.config.get("max_tokens", 64)) + _THINKING_TOKENS
    return dspy.LM(
        "openai/target", api_base=url, api_key="none", num_retries=0, temperature=0.0, max_tokens=room, seed=job.seed
    )


if __name__ == "__main__":
    main()
