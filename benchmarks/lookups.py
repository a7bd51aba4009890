"""What no model at all can do on an agent's suite: `python benchmarks/lookups.py [SUITE AGENT]`.

Lookups learn from the train split and answer val and gate, whose families they have not seen. With scikit-learn
installed, a logistic regression is measured too. Where answers have open parts, such as the arguments of an action, the
baselines of the gate are measured instead, by the suite's own assertions and on the split test too.
"""

import asyncio
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from time import perf_counter
from typing import cast

from evolve.core.evaluation.agent_prompts import search_key
from evolve.core.evaluation.judging import Judge, target
from evolve.core.model.answers import Answer
from evolve.core.model.ports import Tools
from evolve.core.model.suite import Evaluation, Prompt, ProviderSpec
from evolve.core.retrieval.closed_answers import is_closed_set
from evolve.core.retrieval.nearest import words
from evolve.core.search.baselines import Baseline, Solved, baselines
from evolve.core.search.lookup import Lookup, nearest_vote, words_vote
from evolve.core.search.task_list import suite_tasks
from evolve.core.search.tasks import Task
from evolve.core.templating.templates import Templates
from evolve.evaluation.setup import Settings, load
from evolve.store.agents import find_agent, load_agent

Learn = Callable[[Sequence[str], Sequence[str], Sequence[str]], Lookup]
DIGESTS = (250, 500, 700)


def logistic_regression(texts: Sequence[str], answers: Sequence[str], _families: Sequence[str]) -> Lookup:
    """The answer of a logistic regression on tf-idf of the same words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = TfidfVectorizer(analyzer=words, sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=500).fit(vectors.fit_transform(texts), answers)
    return lambda text, _family: str(model.predict(vectors.transform([text]))[0])


def learners() -> dict[str, Learn]:
    """The lookups that can be measured here."""
    known: dict[str, Learn] = {"vote of the 5 nearest": nearest_vote, "classifier of words": words_vote}
    if importlib.util.find_spec("sklearn"):
        known["logistic regression"] = logistic_regression
    return known


def measured(learn: Learn, tasks: Sequence[Task], keys: dict[str, str]) -> tuple[float, float, float, float]:
    """Accuracy on all held-out cases and on the provoked ones, share of harm, seconds to learn."""
    train = [task for task in tasks if task.split == "train" and task.label is not None]
    held_out = [task for task in tasks if task.split in ("val", "gate")]
    begun = perf_counter()
    answers = [json.dumps(task.label) for task in train]
    lookup = learn([keys[task.id] for task in train], answers, [task.family for task in train])
    found = {task.id: json.loads(lookup(keys[task.id], task.family)) for task in held_out}
    seconds = perf_counter() - begun
    provoked = [task for task in held_out if task.test.metadata.get("source") == "provoked"]
    return (
        _share(task.accepted.count(found[task.id]) > 0 for task in held_out),
        _share(task.accepted.count(found[task.id]) > 0 for task in provoked),
        _share(found[task.id] in task.forbidden for task in held_out),
        seconds,
    )


def print_baselines(tasks: Sequence[Task], keys: dict[str, str], digest: int) -> None:
    """Prints how many cases of each split the gate's baselines answer."""
    labelled = [task for task in tasks if task.split == "train" and task.label is not None]
    for baseline in baselines([Solved(keys[task.id], task.label, task.family) for task in labelled]):
        shares = [
            _share(passes(task, baseline, keys[task.id]) for task in tasks if task.split in splits)
            for splits in (("val", "gate"), ("test",))
        ]
        print(f"{baseline.name:32}{digest:12}{shares[0]:12.3f}{shares[1]:8.3f}")


def passes(task: Task, baseline: Baseline, key: str) -> bool:
    """Whether a baseline's answer passes the case's assertions."""
    text = json.dumps(baseline.answer(key))
    case = Evaluation(task.description, task.test, task.vars, Prompt("", ""), ProviderSpec("lookup"), 0, 0)
    judge = Judge(Templates("empty", {}), cast("Tools", None))
    return asyncio.run(judge.verdict(target(text, Answer(text), case, task.vars, ""))).passed


def _share(hits: Iterable[bool]) -> float:
    listed = list(hits)
    return sum(listed) / len(listed) if listed else float("nan")


def main() -> None:
    """Prints the table."""
    suite, name = (*sys.argv[1:], "suites/agents/reflection.yaml", "REFLECTION_AGENT_PLAIN")[:2]
    agent = load_agent(find_agent(name))
    tasks = suite_tasks(load(suite, Settings()).evaluations, agent.output, suite)
    render = Templates("strict").render
    counts = {split: sum(task.split == split for task in tasks) for split in ("train", "val", "gate")}
    print(f"{suite}: {counts}; {platform.machine()}, Python {platform.python_version()}, {date.today()}")
    labels = [json.dumps(task.label) for task in tasks if task.split == "train" and task.label is not None]
    is_closed = is_closed_set(labels)
    if is_closed:
        print(f"{'lookup':24}{'characters':>12}{'accuracy':>10}{'provoked':>10}{'harm':>8}{'seconds':>9}")
    else:
        print(f"{'baseline':32}{'characters':>12}{'val, gate':>12}{'test':>8}")
    for digest in DIGESTS:
        inputs = tuple(replace(i, digest_chars=digest) if i.digest_chars else i for i in agent.inputs)
        view = replace(agent, inputs=inputs)
        keys = {task.id: search_key(view, task.vars, render) for task in tasks}
        if not is_closed:
            print_baselines(tasks, keys, digest)
            continue
        for title, learn in learners().items():
            right, provoked, harm, seconds = measured(learn, tasks, keys)
            print(f"{title:24}{digest:12}{right:10.3f}{provoked:10.3f}{harm:8.3f}{seconds:9.2f}")


if __name__ == "__main__":
    main()
