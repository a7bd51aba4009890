"""Notices a candidate that gives one answer to almost everything.

Such a candidate is right wherever that answer happens to be: on a set of known failures, where one right answer is
often the commonest, it looks like a gain. It never is one for a set with several answers.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from evolve.core.model.json_value import JsonValue
from evolve.core.search.tasks import Score, Task
from evolve.core.text.counts import count

MIN_CASES = 8
"""Fewer answers may be alike by chance, and a screen has its own measure."""
_MOST = 2 / 3
"""One answer to so much of the cases ..."""
_TOO_OFTEN = 4 / 3
"""... and so many times as often as it is right is a collapse. A set of cases with one right answer is none."""
_SHOWN_CHARS = 60


def collapse(tasks: Sequence[Task], own: Mapping[str, Score], before: Mapping[str, Score]) -> str:
    """Return what is wrong with a candidate that answers most cases alike; empty where nothing is.

    Args:
        tasks: cases of the race.
        own: the candidate's scores by task id; cases without one are left out.
        before: the scores of its parent. A parent that gave the same answer to more of the cases had collapsed itself:
            then the child is on its way back.
    """
    known = [task for task in tasks if task.id in own]
    if len(known) < MIN_CASES:
        return ""
    answer, given = Counter(_text(own[task.id].output) for task in known).most_common(1)[0]
    right = sum(_is_right(task, own[task.id], answer) for task in known)
    earlier = sum(_text(before[task.id].output) == answer for task in known if task.id in before)
    if given < _MOST * len(known) or given <= _TOO_OFTEN * right or earlier > given:
        return ""
    return f"answers {answer[:_SHOWN_CHARS]} to {given} of {count(len(known), 'case')}, where {right} have that answer"


def _is_right(task: Task, score: Score, answer: str) -> bool:
    """Whether the answer is right for a case; where no right answer is named, whether it was given and passed."""
    if task.accepted:
        return answer in map(_text, task.accepted)
    return score.passed and _text(score.output) == answer


def _text(output: JsonValue) -> str:
    return json.dumps(output, ensure_ascii=False, sort_keys=True)
