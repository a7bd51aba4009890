"""`model-graded-closedqa`: a grader answers Y or N to whether an output meets a criterion."""

from typing import Final

from evolve.core.assertions._grading import GraderError, chat, needs_prompt, open_grading, parse_output, text_value
from evolve.core.assertions._registry import assertion_type
from evolve.core.javascript.values import js_strip
from evolve.core.model.verdicts import AssertionInput, Verdict

INSTRUCTIONS: Final = (
    "You decide whether a submission meets a criterion. Think in two or three sentences; name what decides. "
    "Then write, alone on the last line, the letter Y when it meets the criterion or N when it does not."
)

_OUTCOMES: Final = {"Y": "The criterion is met", "N": "The criterion is not met"}


@assertion_type("model-graded-closedqa", value_schema={"type": "string"}, value_required=True)
async def closedqa(check: AssertionInput) -> Verdict:
    """Pass when the grader's answer ends with Y; `not-` has no effect, as in promptfoo."""
    criterion, question = text_value(check), needs_prompt(check)
    grading = open_grading(check)
    names = {**check.vars, "input": question, "criteria": criterion, "completion": parse_output(check.text)}
    pieces = {"question": question, "criterion": criterion, "submission": check.text}
    default = chat(INSTRUCTIONS, pieces, "Your reasoning, then Y or N on the last line:")
    try:
        reply = await grading.ask("model-graded-closedqa", names, default, rubric=grading.rubric_prompt)
    except GraderError as failed:
        return failed.verdict()
    text = reply.text("model-graded-closedqa")
    last = js_strip(text)[-1:]
    outcome = _OUTCOMES.get(last, "The grader's answer ends with neither Y nor N")
    return Verdict(last == "Y", float(last == "Y"), f"{outcome}:\n{text}", tokens=reply.tokens)
