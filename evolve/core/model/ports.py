"""The ports: what the core and the loops ask of the world. Adapters implement them; tests bring fakes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from evolve.core.model.answers import Answer, Request, TokenUsage
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec, ScriptRef


class Provider(Protocol):
    """Someone who answers a prompt."""

    @property
    def id(self) -> str:
        """The id as the suite spells it."""
        ...

    def identity(self, request: Request) -> JsonValue:
        """What decides the answer (model, settings, request body); None when an answer must not be cached."""
        ...

    async def answer(self, request: Request) -> Answer:
        """The answer to one request.

        Raises:
            EnvironmentFault: the endpoint refused, timed out or broke off, after all retries; or 401/403/404.
            CannotEvaluate: user code behind the provider failed.
        """
        ...

    async def close(self) -> None:
        """Frees connections and processes; the provider answers nothing afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text as a vector."""

    vector: tuple[float, ...]
    tokens: int = 0
    error: str | None = None
    """The service's own statement that it has none (a Python provider's `error`); then `vector` is empty."""


class Embedder(Protocol):
    """Someone who turns text into vectors."""

    async def embed(self, text: str) -> Embedding:
        """Raises EnvironmentFault as `Provider.answer` does."""
        ...


@runtime_checkable
class KnownEmbedder(Embedder, Protocol):
    """An embedder whose vectors can be stored."""

    def embedding_identity(self, text: str) -> JsonValue:
        """What decides the vector (model, settings, text); None when it must not be stored."""
        ...


@runtime_checkable
class SentenceComparer(Protocol):
    """Someone who says how alike two texts are, without vectors that anyone sees."""

    async def similarity(self, expected: str, text: str) -> float:
        """From 0 to 1; raises EnvironmentFault as `Provider.answer` does."""
        ...

    def similarity_identity(self, expected: str, text: str) -> JsonValue:
        """What decides the similarity; None when it must not be stored."""
        ...


@dataclass(frozen=True, slots=True)
class Classification:
    """How well each class fits a text."""

    scores: Mapping[str, float]
    error: str | None = None
    """The service's own statement that it has none; then `scores` is empty."""


@runtime_checkable
class Classifier(Protocol):
    """Someone who sorts texts into classes."""

    async def classify(self, text: str) -> Classification:
        """Raises EnvironmentFault as `Provider.answer` does."""
        ...

    def classification_identity(self, text: str) -> JsonValue:
        """What decides the scores; None when they must not be stored."""
        ...


@dataclass(frozen=True, slots=True)
class ModerationFlag:
    """One kind of harm that was found; `confidence` is from 0 to 1."""

    code: str
    description: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Moderation:
    """What a moderation found; no flags mean that nothing was."""

    flags: tuple[ModerationFlag, ...]
    tokens: TokenUsage = field(default_factory=TokenUsage)
    error: str | None = None


@runtime_checkable
class Moderator(Protocol):
    """Someone who looks for harm in an answer."""

    async def moderate(self, prompt: str, output: str) -> Moderation:
        """Raises EnvironmentFault as `Provider.answer` does."""
        ...

    def moderation_identity(self, prompt: str, output: str) -> JsonValue:
        """What decides the flags; None when they must not be stored."""
        ...


class Renderer(Protocol):
    """The suite's templates."""

    def render(self, text: str, vars: Mapping[str, JsonValue]) -> str:
        """The text with its tags replaced; raises CannotEvaluate."""
        ...


class Files(Protocol):
    """The user's files, seen from one suite: nothing outside `root` is read."""

    @property
    def root(self) -> str:
        """The folder that may be read."""
        ...

    def read_text(self, path: str) -> str:
        """The text of a file, `path` relative to the root or absolute inside it.

        Raises:
            InputError: missing, too large, binary, not UTF-8, or outside the root.
        """
        ...

    def glob(self, pattern: str) -> Sequence[str]:
        """Absolute paths that match, sorted; empty when none does."""
        ...

    def resolve(self, path: str) -> str:
        """The absolute path; raises InputError when it leaves the root."""
        ...


class Scripts(Protocol):
    """Functions in the user's Python files."""

    def function(self, ref: ScriptRef, default: str) -> Callable[..., Any]:
        """The named function, or the one called `default`; loaded once.

        Raises:
            InputError: no such file or function, or the module does not import.
        """
        ...

    def run(self, code: str, names: Mapping[str, object]) -> object:
        """The value of an inline expression, or of the `return` of an inline function body.

        Raises:
            CannotEvaluate: the code is wrong or raised.
        """
        ...


class AnswerStore(Protocol):
    """Answers that were bought once are free."""

    remembers: bool
    """Whether identities are looked at; where not, nobody needs to make them."""

    async def once(self, identity: JsonValue, buy: Callable[[], Awaitable[Answer]]) -> Answer:
        """The stored answer (`cached` true), else what `buy` answers, stored unless it has an error.

        Two askers of one identity buy once.
        """
        ...


@dataclass(frozen=True, slots=True)
class Bought:
    """An answer out of the ledger."""

    answer: Answer
    is_new: bool
    """It was bought just now."""
    is_repeated: bool = False
    """An earlier attempt of this run had asked and was killed before the answer was stored."""


class Ledger(Protocol):
    """The record of every answer and score: what one run has bought is free for all others, and for its own second try.

    A run that was killed and begins again meets its own purchases: they count against its budget as they did before, so
    that it takes the same decisions again, but they are not bought again.
    """

    def price(self, identity: JsonValue, run: str) -> int:
        """1 when `run` has to buy this answer or bought it itself, 0 when someone else did."""
        ...

    async def answer(self, identity: JsonValue, run: str, buy: Callable[[], Awaitable[Answer]]) -> Bought:
        """The stored answer, else what `buy` answers, stored before it is handed out.

        Two askers of one identity, in one process or twenty, buy once.
        """
        ...

    def score(self, identity: JsonValue, judged: JsonValue) -> JsonValue:
        """The stored score of an answer under these assertions and scorer version; None when there is none."""
        ...

    def keep_score(self, identity: JsonValue, judged: JsonValue, score: JsonValue) -> None:
        """Stores a score."""
        ...


class Graders(Protocol):
    """Providers that grade: opened on demand, by what an assertion, test or suite names."""

    async def text(self, spec: JsonValue | ProviderSpec | None) -> Provider:
        """The provider for a model-graded assertion; `spec` is an id, a mapping, or None for the default grader."""
        ...

    async def embedding(self, spec: JsonValue | ProviderSpec | None) -> Embedder | SentenceComparer:
        """The provider that makes vectors, or that compares; `spec` as for `text`."""
        ...

    async def classification(self, spec: JsonValue | ProviderSpec | None) -> Classifier:
        """The provider that classifies; there is no default."""
        ...

    async def moderation(self, spec: JsonValue | ProviderSpec | None) -> Moderator:
        """The provider that moderates; `spec` as for `text`."""
        ...


class Http(Protocol):
    """A single call of a web hook."""

    async def post_json(self, url: str, body: JsonValue, timeout_s: float) -> tuple[int, JsonValue]:
        """Status and parsed body; raises EnvironmentFault when there is none."""
        ...


class TestRunner(Protocol):
    """Runs one test of the user's, for the assertion type `pytest`."""

    __test__: ClassVar[bool] = False

    async def run(self, node_id: str, environment: Mapping[str, str]) -> tuple[bool, str]:
        """Whether it passed, and the last lines of its output."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What assertions may use of the world."""

    files: Files
    scripts: Scripts
    graders: Graders
    http: Http
    tests: TestRunner
    answers: AnswerStore
    templates: Renderer | None = None
    """Renders graders' prompts (`rubricPrompt`); None for lenient templates without an environment."""
