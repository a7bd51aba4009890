"""A loaded suite as values: prompts, providers, tests and assertions. `expand.py` makes evaluations from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from evolve.core.model.errors import Location
from evolve.core.model.json_value import JsonValue


class Locate(Protocol):
    """Finds the place of a data path in one document; only for messages, because it parses the text again."""

    def __call__(self, *path: str | int) -> Location:
        """Return the place of the value at `path`."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a user's file; line and column are found when they are needed."""

    file: str
    path: tuple[str | int, ...]
    locate: Locate = field(compare=False, repr=False)

    def location(self) -> Location:
        """Return the line and column; the first call parses the file again."""
        return self.locate(*self.path)

    def inside(self, *path: str | int) -> Location:
        """Return the place of a part of it; if it has no such part, the place in the file's default test."""
        around = path[:-1]
        own, default = self.locate(*self.path, *path), self.locate("defaultTest", *path)
        if not _is_same_spot(own, self.locate(*self.path, *around)):
            return own
        return own if _is_same_spot(default, self.locate("defaultTest", *around)) else default


def _is_same_spot(one: Location, other: Location) -> bool:
    """Whether two places are the same; a missing part has the place of what surrounds it."""
    return (one.line, one.column) == (other.line, other.column)


@dataclass(frozen=True, slots=True)
class Assertion:
    """One condition that an output must fulfil. Strings in `value` are templates until the test runs."""

    type: str
    """The base type: `not-contains` is type `contains`, negated."""
    negated: bool = False
    value: JsonValue = None
    threshold: float | None = None
    weight: float = 1.0
    metric: str | None = None
    transform: str | None = None
    provider: JsonValue = None
    """The grader: an id, or a mapping with id and config; None for the suite's grader."""
    rubric_prompt: JsonValue = None
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    """The assertion's `config` mapping, and all further keys of its type (`contextTransform`, ...)."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AssertSet:
    """Assertions that count as one: their weighted mean must reach `threshold`; without one, all must pass."""

    assertions: tuple[Assertion, ...]
    threshold: float | None = None
    weight: float = 1.0
    metric: str | None = None
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    place: Place | None = field(default=None, compare=False, repr=False)


Requirement: TypeAlias = Assertion | AssertSet


@dataclass(frozen=True, slots=True)
class ScriptRef:
    """A function in a user's file: Python or JavaScript."""

    path: str
    """Absolute."""
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: a template, or a function that makes one for each test."""

    raw: str
    label: str
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    function: ScriptRef | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A provider as the suite names it; `evolve.providers` opens it."""

    id: str
    label: str | None = None
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    prompts: tuple[str, ...] | None = None
    """Labels of the prompts for this provider; None for all."""
    transform: str | None = None
    delay_ms: float = 0.0
    env: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = field(default=None, compare=False, repr=False)
    in_full: str | None = None
    """The full id if the suite has a short one: promptfoo's rows name a Python file with its function."""

    @property
    def full_id(self) -> str:
        """The id in rows of results and for scripts."""
        return self.in_full or self.id

    @property
    def name(self) -> str:
        """The name in reports: its label, else its id."""
        return self.label or self.full_id


@dataclass(frozen=True, slots=True)
class TestOptions:
    """A test's `options`, with the defaults merged in."""

    __test__ = False  # the name comes from the format; pytest must not collect the class

    prefix: str = ""
    suffix: str = ""
    transform: str | None = None
    transform_vars: str | None = None
    disable_var_expansion: bool = False
    disable_default_asserts: bool = False
    disable_conversation_var: bool = False
    """The prompt does not get `_conversation`."""
    repeat: int | None = None
    store_output_as: str | None = None
    """The var in which later tests get the output; the suite's tests then run one by one."""
    provider: JsonValue = None
    """The grader of model-graded assertions."""
    rubric_prompt: JsonValue = None
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    """Further keys, such as `response_format`: they reach the provider as prompt config."""


@dataclass(frozen=True, slots=True)
class Test:
    """One test, with the default test and the scenario merged in."""

    __test__ = False

    vars: Mapping[str, JsonValue]
    requirements: tuple[Requirement, ...]
    description: str = ""
    options: TestOptions = TestOptions()
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    threshold: float | None = None
    provider_output: JsonValue = None
    has_provider_output: bool = False
    providers: tuple[str, ...] | None = None
    """Labels or ids of the providers this test is for; None for all."""
    prompts: tuple[str, ...] | None = None
    provider: JsonValue = None
    """The provider of this test instead of the suite's: an id, or a mapping with id and config."""
    scoring: str | None = None
    """`file://FILE[:FUNCTION]`, which makes the test's verdict from its named scores."""
    var_scripts: Mapping[str, ScriptRef] = field(default_factory=dict)
    """Vars that a function computes for each prompt (`get_var(name, prompt, vars)`); in `vars` they are empty text."""
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DerivedMetric:
    """A metric computed from other metrics: an arithmetic expression, or JavaScript."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Suite:
    """One config file, parsed and checked."""

    path: str
    base_dir: str
    prompts: tuple[Prompt, ...]
    providers: tuple[ProviderSpec, ...]
    tests: tuple[Test, ...]
    description: str = ""
    derived_metrics: tuple[DerivedMetric, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    repeat: int = 1
    max_concurrency: int | None = None
    delay_ms: float = 0.0
    timeout_ms: float = 0.0
    """Milliseconds for one evaluation, asked and judged; 0 is no limit."""
    max_time_ms: float = 0.0
    """Milliseconds for all evaluations together; 0 is no limit."""
    config: JsonValue = None
    """The config as parsed, for the result file."""
    warnings: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    """`file://PATH[:FUNCTION]` of functions that are called before and after tests."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One test with one set of vars, one prompt and one provider: what a pytest item runs."""

    id: str
    """Readable and unique in its suite: description or vars, then provider and prompt where there are several."""
    test: Test
    vars: Mapping[str, JsonValue]
    prompt: Prompt
    provider: ProviderSpec
    test_index: int
    """Position of test x vars; evaluations of one index are compared by select-best and max-score."""
    prompt_index: int
    repeat: int = 0
    title: str = ""
    """The id without provider, prompt and number: the name of a table's row. Empty where the id will do."""
