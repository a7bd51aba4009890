"""The ports: what the core and the loops need from the outside world. Adapters and the tests' fakes implement them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.errors import Location, Problem
from evolve.core.model.js_result import JsResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.node_calls import NodeCall
from evolve.core.model.suite import ProviderSpec, ScriptRef


class Provider(Protocol):
    """A service or program that answers prompts."""

    @property
    def id(self) -> str:
        """The id as written in the suite."""
        ...

    def identity(self, request: Request) -> JsonValue:
        """Return what determines the answer (model, settings, request body); None when it must not be cached."""
        ...

    async def answer(self, request: Request) -> Answer:
        """Return the answer to one request.

        Raises:
            EnvironmentFault: the endpoint refused, timed out or closed the connection, after all retries; or the status
                was 401, 403 or 404.
            CannotEvaluate: user code behind the provider failed.
        """
        ...

    async def close(self) -> None:
        """Close connections and processes; the provider cannot be used afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text as a vector."""

    vector: tuple[float, ...]
    tokens: int = 0
    error: str | None = None
    """The service's own error (a Python provider's `error`); then `vector` is empty."""


class Embedder(Protocol):
    """A service that turns text into vectors."""

    async def embed(self, text: str) -> Embedding:
        """Return the vector of a text; raise EnvironmentFault like `Provider.answer`."""
        ...


@runtime_checkable
class KnownEmbedder(Embedder, Protocol):
    """An embedder whose vectors can be stored."""

    def embedding_identity(self, text: str) -> JsonValue:
        """Return what determines the vector (model, settings, text); None when it must not be stored."""
        ...


@runtime_checkable
class SentenceComparer(Protocol):
    """A service that scores the similarity of two texts without returning vectors."""

    async def similarity(self, expected: str, text: str) -> float:
        """Return the similarity, 0..1; raise EnvironmentFault like `Provider.answer`."""
        ...

    def similarity_identity(self, expected: str, text: str) -> JsonValue:
        """Return what determines the similarity; None when it must not be stored."""
        ...


@dataclass(frozen=True, slots=True)
class Classification:
    """How well each class fits a text."""

    scores: Mapping[str, float]
    error: str | None = None
    """The service's own error; then `scores` is empty."""


@runtime_checkable
class Classifier(Protocol):
    """A service that sorts texts into classes."""

    async def classify(self, text: str) -> Classification:
        """Return the scores of a text by class; raise EnvironmentFault like `Provider.answer`."""
        ...

    def classification_identity(self, text: str) -> JsonValue:
        """Return what determines the scores; None when they must not be stored."""
        ...


@dataclass(frozen=True, slots=True)
class ModerationFlag:
    """One kind of harm that was found; `confidence` is 0..1."""

    code: str
    description: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Moderation:
    """The result of a moderation; without flags, nothing was found."""

    flags: tuple[ModerationFlag, ...]
    tokens: TokenUsage = field(default_factory=TokenUsage)
    error: str | None = None


@runtime_checkable
class Moderator(Protocol):
    """A service that looks for harm in an answer."""

    async def moderate(self, prompt: str, output: str) -> Moderation:
        """Return the flags of an answer; raise EnvironmentFault like `Provider.answer`."""
        ...

    def moderation_identity(self, prompt: str, output: str) -> JsonValue:
        """Return what determines the flags; None when they must not be stored."""
        ...


class Renderer(Protocol):
    """The suite's templates."""

    def render(self, text: str, vars: Mapping[str, JsonValue]) -> str:
        """Return the text with its tags replaced; raise CannotEvaluate."""
        ...


class Files(Protocol):
    """The user's files, as one suite may read them: nothing outside `root`."""

    @property
    def root(self) -> str:
        """The folder that may be read."""
        ...

    def read_text(self, path: str) -> str:
        """Return the text of a file; `path` is relative to the root, or absolute inside it.

        Raises:
            InputError: the file is missing, too large, binary, not UTF-8, or outside the root.
        """
        ...

    def glob(self, pattern: str) -> Sequence[str]:
        """Return the absolute paths that match, sorted; empty when none does."""
        ...

    def resolve(self, path: str) -> str:
        """Return the absolute path; raise InputError when it is outside the root."""
        ...


class Node(Protocol):
    """Node.js, for JavaScript that the embedded engine cannot run, and for TypeScript."""

    async def result(self, call: NodeCall) -> JsResult:
        """Return what the code returns, a promise's value once it settles.

        Raises:
            InputError: there is no suitable Node, or the file cannot run: see `problems`.
            CannotEvaluate: the code threw, reached a limit, or Node ended.
        """
        ...

    def result_now(self, call: NodeCall) -> JsResult:
        """Return the same where awaiting is not possible."""
        ...

    def problems(self, path: str) -> Sequence[Problem]:
        """Return why a file cannot run: its syntax, and packages and files that it imports; none of it is run."""
        ...

    def code_problems(self, code: str, folder: str, where: Location | None) -> Sequence[Problem]:
        """Return the packages that inline code requires and that are not installed.

        Args:
            code: as the suite has it.
            folder: where `require` looks for modules.
            where: the code's place, for messages.
        """
        ...


class Scripts(Protocol):
    """Functions in the user's Python files, and Node for JavaScript that needs it."""

    @property
    def node(self) -> Node:
        """Node.js; it starts with the first call."""
        ...

    def function(self, ref: ScriptRef, default: str) -> Callable[..., Any]:
        """Return the function that `ref` names, else the one called `default`; a file is loaded once.

        Raises:
            InputError: there is no such file or function, or the import fails.
        """
        ...

    def run(self, code: str, names: Mapping[str, object]) -> object:
        """Return the value of an inline expression, or what an inline function body returns.

        Raises:
            CannotEvaluate: the code is wrong or raised.
        """
        ...


class AnswerStore(Protocol):
    """A store of answers, so that each one is paid for only once."""

    remembers: bool
    """Whether identities are used; if not, callers need not compute them."""

    async def once(self, identity: JsonValue, buy: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the stored answer (`cached` is True), else call `buy` and store its answer unless it has an error.

        Two concurrent calls with one identity call `buy` once.
        """
        ...


@dataclass(frozen=True, slots=True)
class LedgerAnswer:
    """An answer from the ledger."""

    answer: Answer
    is_new: bool
    """Whether this call was made and paid for just now."""
    is_repeated: bool = False
    """Whether an earlier attempt of this run made the call and was killed before it stored the answer."""


class Ledger(Protocol):
    """The record of all answers and scores: an answer that one run paid for is free for all others.

    A run that was killed and is started again finds its own earlier answers. They count against its budget as they did
    the first time, so that it makes the same decisions again, but no call is made for them.
    """

    def price(self, identity: JsonValue, run: str) -> int:
        """Return 1 if `run` must pay for this answer or has paid for it, 0 if another run has."""
        ...

    async def answer(self, identity: JsonValue, run: str, buy: Callable[[], Awaitable[Answer]]) -> LedgerAnswer:
        """Return the stored answer, else call `buy` and store its answer before returning it.

        Concurrent calls with one identity, in one process or several, call `buy` once.
        """
        ...

    def score(self, identity: JsonValue, judged: JsonValue) -> JsonValue:
        """Return the stored score of an answer for these assertions and scorer version; None when there is none."""
        ...

    def keep_score(self, identity: JsonValue, judged: JsonValue, score: JsonValue) -> None:
        """Store a score."""
        ...


class Graders(Protocol):
    """Providers that grade, opened on demand from what an assertion, test or suite names."""

    async def text(self, spec: JsonValue | ProviderSpec | None) -> Provider:
        """Return the provider for a model-graded assertion; `spec` is an id, a mapping, or None for the default."""
        ...

    async def embedding(self, spec: JsonValue | ProviderSpec | None) -> Embedder | SentenceComparer:
        """Return the provider that makes vectors or compares texts; `spec` as for `text`."""
        ...

    async def classification(self, spec: JsonValue | ProviderSpec | None) -> Classifier:
        """Return the provider that classifies; there is no default."""
        ...

    async def moderation(self, spec: JsonValue | ProviderSpec | None) -> Moderator:
        """Return the provider that moderates; `spec` as for `text`."""
        ...


class Http(Protocol):
    """Calls a web hook once."""

    async def post_json(self, url: str, body: JsonValue, timeout_s: float) -> tuple[int, JsonValue]:
        """Return status and parsed body; raise EnvironmentFault when there is no reply."""
        ...


class TestRunner(Protocol):
    """Runs one of the user's tests, for the assertion type `pytest`."""

    __test__: ClassVar[bool] = False

    async def run(self, node_id: str, environment: Mapping[str, str]) -> tuple[bool, str]:
        """Return whether the test passed, and the last lines of its output."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The ports that assertions may use."""

    files: Files
    scripts: Scripts
    graders: Graders
    http: Http
    tests: TestRunner
    answers: AnswerStore
    templates: Renderer | None = None
    """Renders graders' prompts (`rubricPrompt`); None for lenient templates without an environment."""
