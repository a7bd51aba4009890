"""JavaScript files as providers: `file://x.js`, a class with `callApi(prompt, context)` or a function.

A file that needs Node.js runs there, as one object for all calls; others run in the embedded engine, without state.
"""

import hashlib
import json
from collections.abc import Sequence

from evolve.core.javascript.engine import call_javascript_file, plain_value
from evolve.core.javascript.node_needs import file_needs_node, imported_files
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate, InputError
from evolve.core.model.js_result import JsResult
from evolve.core.model.json_value import JsonValue
from evolve.core.model.node_calls import provider_call
from evolve.core.model.ports import Embedding
from evolve.core.model.suite import ProviderSpec
from evolve.core.user_code.functions import split_reference
from evolve.providers.answer_fields import answer_from, is_response
from evolve.providers.call_context import call_context, call_options
from evolve.providers.config import load_references, number_of
from evolve.providers.context import ProviderContext

_WRAPPER = """
const loaded = require(%s);
const exported = loaded && loaded.default ? loaded.default : loaded;
module.exports = function (name, method, options, prompt, context) {
  const found = name ? loaded[name] : exported;
  if (typeof found === 'function' && found.prototype && found.prototype[method]) {
    return new found(options)[method](prompt, context);
  }
  if (found && typeof found[method] === 'function') return found[method](prompt, context);
  if (typeof found === 'function' && method === 'callApi') return found(prompt, options, context);
  throw new Error(`the file must export a class with ${method}, or a function`);
};
"""


class JavaScriptFile:
    """A user's JavaScript that answers prompts."""

    def __init__(self, spec: ProviderSpec, context: ProviderContext) -> None:
        self.id = spec.id
        name, self._function = split_reference(spec.id.removeprefix("javascript:"))
        self._path = context.files.resolve(name)
        self._files = context.files
        self._source = context.files.read_text(name)
        config = load_references(dict(spec.config), spec, context)
        self._options = call_options(spec, context, config if isinstance(config, dict) else {})
        if spec.env:
            self._options["env"] = dict(spec.env)
        self._clock = context.settings.clock
        given_ms = number_of(spec, "timeoutMs") or number_of(spec, "timeout")
        self._timeout_s = given_ms / 1000 if given_ms else context.settings.deadline_s
        self._node = context.scripts.node if file_needs_node(self._path, self._files.read_text) else None
        if self._node is not None and (problems := self._node.problems(self._path)):
            raise InputError(problems)

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        return {
            "provider": "javascript",
            "script": self._digest(),
            "function": self._function,
            "options": self._options,
            "prompt": request.prompt,
            "context": call_context(request),
        }

    def _digest(self) -> str:
        """Return the hash of the file and of all that it imports by relative paths."""
        if self._node is None:
            return hashlib.sha256(self._source.encode()).hexdigest()
        texts = [self._files.read_text(path) for path in sorted(imported_files(self._path, self._files.read_text))]
        return hashlib.sha256("\0".join(texts).encode()).hexdigest()

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        start = self._clock()
        result = await self._result("callApi", [request.prompt, call_context(request)])
        value = plain_value(result, f"the result of {self._path}")
        spent_ms = (self._clock() - start) * 1000
        if isinstance(value, dict) and is_response(value):
            return answer_from(value, spent_ms)
        if isinstance(value, str):
            return answer_from({"output": value}, spent_ms)
        raise CannotEvaluate(
            f"{self._path} must return a mapping with `output` or `error`, got {json.dumps(value)[:200]}"
        )

    async def embed(self, text: str) -> Embedding:
        """See `Embedder.embed`."""
        result = await self._result("callEmbeddingApi", [text])
        value = plain_value(result, f"the result of {self._path}")
        if isinstance(value, dict) and value.get("error"):
            return Embedding((), error=str(value["error"]))
        vector = value.get("embedding") if isinstance(value, dict) else None
        if not isinstance(vector, list) or not all(isinstance(item, int | float) for item in vector):
            raise CannotEvaluate(f"{self._path}: callEmbeddingApi must return a mapping with `embedding`, numbers")
        return Embedding(tuple(float(item) for item in vector if isinstance(item, int | float)))

    async def _result(self, method: str, args: Sequence[JsonValue]) -> JsResult:
        if self._node is not None:
            call = provider_call(self._path, self._function, self._options, method, args, self._timeout_s)
            return await self._node.result(call)
        file = "./" + self._path.rsplit("/", 1)[-1]
        wrapper = _WRAPPER % json.dumps(file)
        given: list[JsonValue] = [self._function, method, self._options, *args]
        return call_javascript_file(wrapper, None, given, path=f"{self._path}.provider.js", read=self._files.read_text)

    async def close(self) -> None:
        """Do nothing: Node ends with the suite."""


def open_provider(spec: ProviderSpec, context: ProviderContext) -> JavaScriptFile:
    """Return the JavaScript that the id names; raises InputError if the file cannot be read or cannot run."""
    return JavaScriptFile(spec, context)
