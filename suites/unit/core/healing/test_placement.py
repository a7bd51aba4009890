from evolve.core.healing.placement import placement_problem
from fixtures.nomad_answers import steps


def test_p2_a_recorded_plan_that_cannot_be_placed_is_a_problem():
    answer = steps("02")[6]["response"]["body"]
    assert placement_problem(answer["FailedTGAllocs"], answer["Warnings"]) == "placement: no node takes app"


def test_p2_a_recorded_plan_that_can_be_placed_is_none():
    answer = steps("02")[2]["response"]["body"]
    assert placement_problem(answer["FailedTGAllocs"] or {}, answer["Warnings"]) == ""


def test_warnings_are_added_to_a_problem_and_are_none_alone():
    assert placement_problem({}, "1 warning:\n\n* old field") == ""
    found = placement_problem({"b": {}, "a": {}}, "1 warning:\n\n* old field")
    assert found == "placement: no node takes a, b (1 warning: * old field)"
