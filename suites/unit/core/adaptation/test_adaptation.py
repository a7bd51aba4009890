"""What follows from a failed job: the pure decisions of the adaptation manager."""

from dataclasses import replace

import pytest

from evolve.core.adaptation.failures import Labels, QueuedRequest, incident, name_by_evidence, step_after, with_labels
from evolve.core.cases.capture import make_case
from evolve.core.cases.failure_case import FailureCase, from_text, to_text
from evolve.core.cases.redaction import Redactor
from evolve.core.evolution.request import EvolutionRequest
from evolve.core.model.actions import Action
from evolve.core.model.agents import Agent, AgentInput, AgentPrompt, Section
from evolve.core.model.errors import InputError
from evolve.core.model.json_value import JsonValue

pytestmark = pytest.mark.adaptation

AGENT = Agent(
    name="TRIAGE",
    version=3,
    description="names the action",
    inputs=(AgentInput("diagnostics", digest_chars=300),),
    output={"type": "object", "properties": {"action": {"enum": ["restart", "free_port", "free_disk"]}}},
    model="echo",
    sections=(Section("Case", "{{ diagnostics }}"),),
)
REPORT: dict[str, JsonValue] = {
    "job_id": "web-7",
    "driver": "docker",
    "status": "failed",
    "stdout": "",
    "stderr": "2025-03-04T08:12:40Z bind 0.0.0.0:8080: address already in use",
    "alloc_id": "0c1d2e3f-0000-4000-8000-000000000000",
}
PORT = Labels(("free_port",))
PROMPT = AgentPrompt(({"role": "user", "content": "bind: address already in use"},), {"temperature": 0})


def a_case(report: dict[str, JsonValue] = REPORT, labels: Labels = PORT) -> FailureCase:
    failure = incident(AGENT, report, PROMPT, labels, answer="the agent said restart", provider="echo")
    case = make_case(failure, Redactor(), today="2025-03-04")
    assert isinstance(case, FailureCase)
    return name_by_evidence(case)


@pytest.mark.parametrize(
    ("labels", "answer", "is_right"),
    [
        (Labels(("free_port", "restart")), Action.RESTART, True),
        (Labels(("free_port",)), Action.RESTART, False),
        (Labels(("free_port",)), Action.ERROR, False),
        (Labels((), ("restart",)), Action.RESTART, False),
        (Labels((), ("restart",)), Action.FREE_PORT, True),
        (Labels((), ("restart",)), Action.ERROR, False),
        (Labels(), Action.RESTART, None),
        (Labels(), Action.ERROR, None),
    ],
)
def test_labels_say_whether_an_answer_is_right(labels: Labels, answer: Action, is_right: bool | None):
    assert labels.holds(answer) is is_right


def test_labels_that_the_agent_cannot_answer_are_reported_all_at_once():
    with pytest.raises(InputError) as caught:
        Labels(("free_prt", "restart"), ("restart", "reboot")).checked(AGENT.output)
    reported = str(caught.value)
    assert "did you mean 'free_port'" in reported or "free_port" in reported
    assert "reboot" in reported
    assert "both accepted and forbidden" in reported


def test_a_labelled_case_drives_evolution_and_is_read_as_it_is_written():
    case = a_case()
    assert case.drives_evolution
    assert from_text(to_text(case), "case.yaml") == case


def test_an_unlabelled_case_drives_nothing():
    case = a_case(labels=Labels())
    assert not case.is_labelled
    assert step_after(case, is_known=False) == "unlabelled"


def test_times_ids_ports_and_numbers_of_jobs_make_no_new_case():
    other = {
        **REPORT,
        "job_id": "web-12",
        "stderr": "2025-04-01T00:00:00Z bind 0.0.0.0:9090: address already in use",
        "alloc_id": "ffffffff-0000-4000-8000-000000000000",
    }
    assert a_case(other).fingerprint == a_case().fingerprint


def test_labels_and_answers_make_no_new_case():
    assert a_case(labels=Labels()).fingerprint == a_case().fingerprint
    assert a_case(labels=Labels(("restart",))).fingerprint == a_case().fingerprint


def test_other_evidence_is_another_case():
    other = {**REPORT, "stderr": "write: no space left on device"}
    assert a_case(other).fingerprint != a_case().fingerprint


@pytest.mark.parametrize(
    ("status", "is_known", "step"),
    [
        ("open", False, "evolve"),
        ("open", True, "known"),
        ("pinned", False, "regression"),
        ("retired", False, "recurred"),
        ("flaky", False, "flaky"),
    ],
)
def test_a_cases_status_says_what_it_starts(status: str, is_known: bool, step: str):
    case = replace(a_case(), status=status)  # type: ignore[arg-type]
    assert step_after(case, is_known=is_known) == step


def test_an_unlabelled_case_takes_labels_and_a_labelled_one_keeps_its_own():
    assert with_labels(a_case(labels=Labels()), Labels(("free_port",)), AGENT.output) == a_case()
    assert with_labels(a_case(), Labels(("restart",)), AGENT.output) == a_case()
    assert with_labels(a_case(labels=Labels()), Labels(), AGENT.output) == a_case(labels=Labels())


def test_forbidden_answers_alone_are_a_label():
    case = a_case(labels=Labels((), ("restart",)))
    assert case.drives_evolution
    assert case.forbidden == ("restart",)


def test_a_queued_requests_key_changes_with_the_agent_and_the_settings_alone():
    queued = QueuedRequest(EvolutionRequest(agent="A.md"), "/cases", "/home")
    request = queued.request
    moved = QueuedRequest(replace(request, output_dir="out"), "/elsewhere", "/home")
    assert queued.key("text") == moved.key("text")
    assert queued.key("text") != queued.key("other text")
    for more in ({"budget": 300}, {"budget": None, "minutes": 5.0}, {"seed": 2}, {"reflector": "r"}, {"suite": "s"}):
        assert queued.key("text") != replace(queued, request=replace(request, **more)).key("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        (EvolutionRequest(agent="A.md"), "a4eedcf1d1102ef9"),
        (EvolutionRequest(agent="A.md", suite="s.yaml", budget=50, seed=7, provider="echo"), "e6c9b3589b2dff5a"),
        (EvolutionRequest(agent="A.md", budget=None, minutes=0.5, reflector="r"), "5dd0d993341fec88"),
    ],
)
def test_keys_of_version_1_stay_good(request_: EvolutionRequest, key: str):
    assert QueuedRequest(request_, "/cases", "/home").key("text") == key


def test_a_secret_stands_neither_in_the_description_nor_anywhere_else():
    secret = "ghp_" + "a1B2c3D4e5" * 4
    text = to_text(a_case({**REPORT, "stderr": f"cannot log in with {secret}: denied"}))
    assert secret not in text
    assert "web-7: cannot log in with <secret:" in text


def test_a_secret_that_changes_makes_no_new_case():
    one, other = (f"cannot log in with ghp_{part * 4}: denied" for part in ("a1B2c3D4e5", "Z9y8X7w6V5"))
    assert a_case({**REPORT, "stderr": one}).fingerprint == a_case({**REPORT, "stderr": other}).fingerprint
