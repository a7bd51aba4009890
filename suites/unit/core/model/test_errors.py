"""Errors keep their class, their text and their data when they are copied or sent to another process."""

import copy
import pickle
from collections.abc import Callable

import pytest

from evolve.core.javascript.engine import JavaScriptError
from evolve.core.model.errors import (
    CannotEvaluate,
    DiskFull,
    DockerFault,
    EnvironmentFault,
    EvolveError,
    HttpFault,
    InputError,
    Location,
    Problem,
    ProcessFault,
    StoreFault,
)
from evolve.core.templating.scope import TemplateFault
from evolve.core.user_code.functions import PythonFailed

PROBLEMS = (Problem("no such key", Location("a.yaml", 3, 5), "try `b`"), Problem("too long"))
ERRORS: list[EvolveError] = [
    InputError(PROBLEMS),
    InputError(PROBLEMS[0]),
    EnvironmentFault("the network is down", hint="plug it in"),
    EnvironmentFault("the network is down"),
    HttpFault("POST http://h/: status 503", call="POST http://h/", status=503, hint="wait"),
    HttpFault("POST http://h/: cannot connect", call="POST http://h/"),
    StoreFault("the ledger l.sqlite: locked", path="l.sqlite", hint="wait"),
    DiskFull("the ledger l.sqlite: no space", path="l.sqlite"),
    DockerFault("start host a: no such image", hint="build it"),
    ProcessFault("dockerd ended with 1", command="dockerd", code=1),
    CannotEvaluate("no such filter"),
    TemplateFault("no such filter"),
    JavaScriptError("ReferenceError", "x is not defined", "at line 3"),
    PythonFailed("ValueError"),
]


def through_pickle(error: EvolveError) -> EvolveError:
    copied = pickle.loads(pickle.dumps(error))
    assert isinstance(copied, EvolveError)
    return copied


@pytest.mark.parametrize("copied", [copy.copy, through_pickle], ids=["copy", "pickle"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_copied_error_is_the_same_error(error: EvolveError, copied: Callable[[EvolveError], EvolveError]):
    error.add_note("seen by a worker")
    other = copied(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    assert vars(other) == vars(error)
    assert other.args == error.args


def test_a_fault_shows_its_hint_once_and_keeps_both_apart():
    fault = HttpFault("GET http://h/: status 404", call="GET http://h/", status=404, hint="check the URL")
    assert str(fault) == "GET http://h/: status 404 (check the URL)"
    assert (fault.message, fault.hint, fault.call, fault.status) == (
        "GET http://h/: status 404",
        "check the URL",
        "GET http://h/",
        404,
    )


def test_a_full_disk_is_a_store_that_cannot_be_used():
    assert issubclass(DiskFull, StoreFault)
