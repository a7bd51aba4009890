"""DSPy's BootstrapFewShotWithRandomSearch on the benchmark's cases, through the meter's loopback endpoint.

The signature has the ancestor's instructions and the actions as a Literal. When the budget is spent, calls fail: they
count as wrong, so that a program that was compared on a part of val only can lose by it, never win.
"""

import logging
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import ModuleType
from typing import Any, Literal

from evolve_baselines import Found, as_json, optional
from evolve_bench import Bench
from evolve_meter import Channel
from evolve_splits import Case

from evolve.core.model.agents import CASE_SECTION
from evolve.core.model.json_value import JsonValue

Adapter = Literal["json", "chat"]

_LABELED, _BOOTSTRAPPED = 8, 4
"""DSPy's defaults are 16 and 4; 16 reports do not fit into the model's 4,096 tokens."""
_PROGRAMS = 16
"""DSPy's default; the budget ends the search earlier."""
_NO_LIMIT = 10**9


def dspy(bench: Bench, adapter: Adapter = "json") -> Found:
    """The best program that DSPy found within the budget."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network for prices
    library = optional("dspy")
    library.configure_cache(enable_disk_cache=False, enable_memory_cache=True)
    format_ = library.JSONAdapter() if adapter == "json" else library.ChatAdapter()
    train = [_example(library, bench, case) for case in bench.splits.train]
    random.Random(bench.seed).shuffle(train)
    with _quiet(bench), library.context(lm=_lm(library, bench, bench.search, adapter), adapter=format_):
        program = _optimizer(library).compile(
            library.Predict(_signature(library, bench)),
            trainset=train,
            valset=[_example(library, bench, case) for case in bench.sample],
        )
    judge = _lm(library, bench, bench.held_out, adapter)

    def answer(case: Case) -> str | None:
        try:
            with library.context(lm=judge, adapter=format_):
                return str(program(report=bench.shown(case)).action)
        except (library.AdapterParseError, library.LMInvalidRequestError, library.ContextWindowExceededError):
            return None

    return Found(answer, _text(program), f"{type(format_).__name__}; {_story(program)}")


def _optimizer(library: ModuleType) -> Any:
    return library.BootstrapFewShotWithRandomSearch(
        metric=_is_right,
        max_bootstrapped_demos=_BOOTSTRAPPED,
        max_labeled_demos=_LABELED,
        num_candidate_programs=_PROGRAMS,
        num_threads=1,
        max_errors=_NO_LIMIT,
    )


def _is_right(example: Any, prediction: Any, _trace: object = None) -> bool:
    return prediction.action in example.accepted


def _example(library: ModuleType, bench: Bench, case: Case) -> Any:
    example = library.Example(report=bench.shown(case), action=case.label, accepted=case.accepted)
    return example.with_inputs("report")


def _signature(library: ModuleType, bench: Bench) -> Any:
    """The ancestor's instructions but for the output's form, which is the adapter's business."""
    parts = [s for s in bench.agent.sections if s.title not in (CASE_SECTION, "Output")]
    instructions = "\n\n".join(f"{part.title}:\n{part.body}" for part in parts)
    actions = Literal.__getitem__(bench.actions)
    fields = {"report": (str, library.InputField()), "action": (actions, library.OutputField())}
    return library.Signature(fields, instructions)


def _lm(library: ModuleType, bench: Bench, channel: Channel, adapter: Adapter) -> Any:
    """The embedded model as DSPy sees it; with JSON its answers are constrained as all others' are."""
    sampling = bench.settings
    constrained = {"response_format": sampling["response_format"], "max_tokens": sampling["max_tokens"]}
    return library.LM(
        "openai/embedded",
        api_base=bench.meter.url(channel),
        api_key="none",
        num_retries=0,
        temperature=sampling["temperature"],
        seed=sampling["seed"],
        **(constrained if adapter == "json" else {"max_tokens": 64}),
    )


@contextmanager
def _quiet(bench: Bench) -> Iterator[None]:
    """What DSPy prints goes to a file: it prints each refused call with a traceback."""
    with (bench.folder / "dspy.log").open("w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        logging.getLogger("dspy").setLevel(logging.CRITICAL)
        yield


def _text(program: Any) -> str:
    demos: list[JsonValue] = [{"report": demo.report, "action": demo.action} for demo in program.demos]
    return as_json({"instructions": program.signature.instructions, "demos": demos})


def _story(program: Any) -> str:
    scores: Sequence[float] = [candidate["score"] for candidate in program.candidate_programs]
    return f"{len(program.demos)} demos; best programs {', '.join(f'{score / 100:.2f}' for score in scores[:5])} on val"
