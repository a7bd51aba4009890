"""Which assertion types ask a model: the list of names is held against the files that reach for a grader."""

import inspect
import sys

from evolve.core.assertions import known_types
from evolve.core.evaluation.judging import _MODEL_GRADED, is_model_graded
from evolve.core.model.suite import Assertion, AssertSet, Test


def test_the_list_has_every_type_whose_file_uses_a_grader():
    found = {
        name
        for name, kind in known_types().items()
        if kind.evaluate is not None and "rading" in inspect.getsource(sys.modules[kind.evaluate.__module__])
    }
    assert {name.removeprefix("not-") for name in found} == _MODEL_GRADED


def test_a_test_is_model_graded_also_inside_a_set_and_negated():
    plain, graded = Assertion("contains", value="a"), Assertion("not-llm-rubric", value="a")
    assert not is_model_graded(Test({}, (plain,)))
    assert is_model_graded(Test({}, (plain, graded)))
    assert is_model_graded(Test({}, (AssertSet((graded,)),)))
