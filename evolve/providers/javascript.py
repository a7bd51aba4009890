"""JavaScript files as providers: `file://x.js`, a class with `callApi(prompt, context)` or a function.

They run in the embedded engine: no Node modules, no network, no state between calls. Use Python for those.
"""

import hashlib
import json

from evolve.core.javascript.engine import call_javascript_file, plain_value
from evolve.core.model.answers import Answer, Request
from evolve.core.model.errors import CannotEvaluate
from evolve.core.model.json_value import JsonValue
from evolve.core.model.suite import ProviderSpec
from evolve.core.user_code.functions import split_reference
from evolve.providers.answer_fields import answer_from, is_response
from evolve.providers.call_context import call_context, call_options
from evolve.providers.context import ProviderContext

_WRAPPER = """
const loaded = require(%s);
const exported = loaded && loaded.default ? loaded.default : loaded;
module.exports = function (name, prompt, options, context) {
  const found = name ? loaded[name] : exported;
  if (typeof found === 'function' && found.prototype && found.prototype.callApi) {
    return new found(options).callApi(prompt, context);
  }
  if (found && typeof found.callApi === 'function') return found.callApi(prompt, context);
  if (typeof found === 'function') return found(prompt, options, context);
  throw new Error('the file must export a class with callApi, or a function');
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
        self._options = call_options(spec, context, dict(spec.config))
        self._clock = context.settings.clock

    def identity(self, request: Request) -> JsonValue:
        """See `Provider.identity`."""
        return {
            "provider": "javascript",
            "script": hashlib.sha256(self._source.encode()).hexdigest(),
            "function": self._function,
            "options": self._options,
            "prompt": request.prompt,
            "context": call_context(request),
        }

    async def answer(self, request: Request) -> Answer:
        """See `Provider.answer`."""
        start = self._clock()
        args: list[JsonValue] = [self._function, request.prompt, self._options, call_context(request)]
        file = "./" + self._path.rsplit("/", 1)[-1]
        wrapper = _WRAPPER % json.dumps(file)
        result = call_javascript_file(wrapper, None, args, path=f"{self._path}.provider.js", read=self._files.read_text)
        value = plain_value(result, f"the result of {self._path}")
        spent_ms = (self._clock() - start) * 1000
        if isinstance(value, dict) and is_response(value):
            return answer_from(value, spent_ms)
        if isinstance(value, str):
            return answer_from({"output": value}, spent_ms)
        raise CannotEvaluate(
            f"{self._path} must return a mapping with `output` or `error`, got {json.dumps(value)[:200]}"
        )

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""


def open_provider(spec: ProviderSpec, context: ProviderContext) -> JavaScriptFile:
    """Return the JavaScript that the id names; raises InputError if the file cannot be read."""
    return JavaScriptFile(spec, context)
