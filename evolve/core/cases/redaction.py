"""Takes secrets out of what was captured, before anything else is done with it.

What is found becomes a placeholder: `<secret:1a2b3c>` or, for a UUID, a hash or other random text that is no id of the
failure's own record, `<id:1a2b3c>`. The digits are the start of a keyed BLAKE2 digest: equal values have equal
placeholders, and without the key nobody can try out guesses against them.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus

from evolve.core.cases.copies import Copies, occurrences
from evolve.core.cases.random_text import find_encoded_words, random_parts
from evolve.core.cases.secret_names_in_text import find_named_secrets, is_no_secret, is_secret_word
from evolve.core.cases.secret_shapes import SecretSpan, find_shaped_secrets
from evolve.core.model.errors import EvolveError
from evolve.core.model.json_value import JsonValue
from evolve.core.text.secret_names import is_secret_name

_SHORTEST_VALUE: Final = 6
"""Shorter values of secret variables are words such as `on`; to mask them would eat the text."""
_MIN_ENCODED: Final = 10
_MAX_SECRETS: Final = 500
_MAX_CHARS: Final = 4 * 2**20
"""More is hostile, or no report: it is refused, for each secret found is looked for everywhere."""

_PLACEHOLDER: Final = re.compile(r"<(?:secret|id):[0-9a-f]{6}>")


class CannotRedact(EvolveError):
    """Something could not be searched for secrets; it must not be written anywhere."""


def environment_secrets(env: Mapping[str, str]) -> tuple[str, ...]:
    """The values of a process's secret variables.

    Names that only remind of a secret (`XDG_SESSION_TYPE`, `SSH_AUTH_SOCK`) count where the value is no word or path.
    """
    return tuple(
        value
        for name, value in env.items()
        if is_secret_word(name)
        or (is_secret_name(name) and not value.startswith("/") and not value.replace("-", "").isalpha())
    )


class _Found(NamedTuple):
    start: int
    end: int
    is_secret: bool


class Redactor:
    """Masks secrets in JSON values.

    Args:
        secrets: values that are secret whatever they look like, such as those of the process's own variables.
        known_ids: ids of the failure's own record, which stay (`job_id`, `alloc_id`, `node`, `image`).
        key: of the placeholders' digest; the same key gives the same placeholders.
        scanners: what else finds secrets in a text; for tests and for scanners of one's own.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        known_ids: Iterable[str] = (),
        *,
        key: bytes = b"",
        scanners: Iterable[Callable[[str], Iterable[SecretSpan]]] = (),
    ) -> None:
        self._secrets = sorted({value for value in secrets if len(value) >= _SHORTEST_VALUE}, key=len, reverse=True)
        self._exact = _exact_pattern(self._secrets)
        self._known = _with_parts(known_ids)
        self._key = key
        self._scanners = (find_shaped_secrets, find_named_secrets, *scanners)

    def with_ids(self, known_ids: Iterable[str]) -> "Redactor":
        """The same redactor for a record with other ids."""
        other = Redactor(self._secrets, known_ids, key=self._key)
        other._scanners = self._scanners
        return other

    def redact(self, value: JsonValue) -> JsonValue:
        """The value with every secret masked, in keys too; what is found in one text is masked in all of them.

        Raises:
            CannotRedact: a scanner failed; nothing is known of the value then.
        """
        if sum(len(text) for text, _ in _texts(value, "")) > _MAX_CHARS:
            raise CannotRedact(f"there is too much text to search for secrets: more than {_MAX_CHARS:,} characters")
        try:
            learned = set(self._learn(value, ""))
            masked = self._mask(value, "", Copies(learned, self._known)) if len(learned) <= _MAX_SECRETS else None
        except Exception as error:  # fail closed, whatever a scanner's fault is; its message may hold the text
            raise CannotRedact(f"a text could not be searched for secrets ({type(error).__name__})") from None
        if len(learned) > _MAX_SECRETS:
            raise CannotRedact(f"there are more than {_MAX_SECRETS} secrets in it")
        if self.leaks(masked):
            raise CannotRedact("a secret of this process's environment would have remained")
        return masked

    def leaks(self, value: JsonValue) -> bool:
        """Whether a secret of the process stands in a value, in any of the forms that are looked for."""
        exact = self._exact
        return exact is not None and any(exact.search(_PLACEHOLDER.sub("", text)) for text, _ in _texts(value, ""))

    # --- what is found

    def _learn(self, value: JsonValue, key: str) -> Iterator[str]:
        """Secrets that are masked wherever else they stand."""
        for text, name in _texts(value, key):
            for found in _merge(self._find(text, name)):
                if found.is_secret:
                    yield text[found.start : found.end]

    def _find(self, text: str, name: str) -> list[_Found]:
        if self._is_secret_whole(text, name):
            return [_Found(0, len(text), True)]
        secrets = [_Found(*span, True) for span in self._secret_spans(text)]
        own = [span for known in self._known for span in occurrences(text, known)]
        others = [_Found(*span, False) for span in random_parts(text) if not _is_inside(span, own)]
        return _without_placeholders(text, [*secrets, *others])

    def _is_secret_whole(self, text: str, name: str) -> bool:
        """Whether the key alone makes the text a secret."""
        if not name or is_no_secret(text.strip()) or _PLACEHOLDER.search(text):
            return False
        word = text.strip()
        looks_made = any(span == (0, len(word)) for span in random_parts(word))
        return is_secret_word(name) or (looks_made and is_secret_name(name))

    def _secret_spans(self, text: str) -> Iterator[SecretSpan]:
        if self._exact is not None:
            yield from (SecretSpan(*match.span()) for match in self._exact.finditer(text))
        for scanner in self._scanners:
            yield from scanner(text)
        for span in find_encoded_words(text):
            if self._hides_a_secret(_decode(text[span.start : span.end])):
                yield span

    def _hides_a_secret(self, decoded: str) -> bool:
        if self._exact is not None and self._exact.search(decoded):
            return True
        is_text = bool(decoded) and all(char.isprintable() or char in "\r\n\t" for char in decoded)
        return is_text and any(True for scanner in self._scanners for _ in scanner(decoded))

    # --- what is written instead

    def _mask(self, value: JsonValue, key: str, copies: "Copies") -> JsonValue:
        if isinstance(value, str):
            return self._mask_text(value, key, copies)
        if isinstance(value, list):
            return [self._mask(part, key, copies) for part in value]
        if isinstance(value, dict):
            return {
                self._mask_text(name, "", copies): self._mask(part, _key_of(value, name), copies)
                for name, part in value.items()
            }
        if is_secret_word(key) and _is_long_number(value):
            return self._placeholder("secret", str(value))
        return value

    def _mask_text(self, text: str, name: str, copies: "Copies") -> str:
        found = _without_placeholders(
            text, [*self._find(text, name), *(_Found(*span, True) for span in copies.of(text))]
        )
        parts, at = [], 0
        for start, end, is_secret in _merge(found):
            parts += [text[at:start], self._placeholder("secret" if is_secret else "id", text[start:end])]
            at = end
        return "".join([*parts, text[at:]])

    def _placeholder(self, kind: str, value: str) -> str:
        plain = re.sub(r"\s+", "", value).encode("utf-8", "surrogatepass")
        return f"<{kind}:{hashlib.blake2b(plain, digest_size=3, key=self._key[:64]).hexdigest()}>"


def _texts(value: JsonValue, key: str) -> Iterator[tuple[str, str]]:
    """Every text in a value with the key it stands under; keys are texts too."""
    if isinstance(value, str):
        yield value, key
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part, key)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name, ""
            yield from _texts(part, _key_of(value, name))


def _key_of(mapping: Mapping[str, JsonValue], name: str) -> str:
    """The name that a value goes by: its key, or what stands beside it as {name: DB_PASSWORD, value: ...}."""
    if name.lower() == "value":
        spoken = [part for key, part in mapping.items() if key.lower() in ("name", "key")]
        return str(spoken[0]) if spoken else name
    return name


def _is_long_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= 1000


def _is_inside(span: SecretSpan, others: Iterable[SecretSpan]) -> bool:
    return any(other.start <= span.start and span.end <= other.end for other in others)


def _without_placeholders(text: str, found: list[_Found]) -> list[_Found]:
    """The finds that touch no placeholder of an earlier redaction."""
    if "<secret:" not in text and "<id:" not in text:
        return found
    taken = [match.span() for match in _PLACEHOLDER.finditer(text)]
    return [item for item in found if not any(item.start < end and start < item.end for start, end in taken)]


def _merge(found: Iterable[_Found]) -> list[_Found]:
    """The finds from left to right; what overlaps is one, and a secret if a part of it is."""
    merged: list[_Found] = []
    for item in sorted(found):
        if item.start == item.end:
            continue
        if merged and item.start < merged[-1].end:
            last = merged.pop()
            merged.append(_Found(last.start, max(last.end, item.end), last.is_secret or item.is_secret))
        else:
            merged.append(item)
    return merged


def _with_parts(known_ids: Iterable[str]) -> frozenset[str]:
    """The ids, and the parts of composed ones: an image's digest stands alone in messages."""
    whole = {known for known in known_ids if len(known) >= _SHORTEST_VALUE}
    return frozenset(whole | {part for known in whole for part in re.split(r"[/@:]", known) if len(part) >= 12})


def _decode(word: str) -> str:
    """What a word is base64 of; what is no UTF-8 in it is shown as such. Empty when it is no base64."""
    body = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _exact_pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Finds the secrets in all forms in which logs and requests write them, the longest form first."""
    forms = {form for secret in secrets for form in _forms(secret)}
    if not forms:
        return None
    return re.compile("|".join(_over_line_breaks(form) for form in sorted(forms, key=len, reverse=True)))


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1])
    raw = secret.encode("utf-8", "surrogatepass")
    for lead in range(3):  # the same bytes look different at each of three places in base64
        encoded = base64.b64encode(b"\0" * lead + raw).decode()
        middle = encoded[(lead * 8 + 5) // 6 : (lead + len(raw)) * 8 // 6]
        if len(middle) >= _MIN_ENCODED:
            yield from (middle, middle.replace("+", "-").replace("/", "_"))


def _over_line_breaks(form: str) -> str:
    """A pattern of the form, also where a line break divides it if it is long; ordinary words count as whole words."""
    characters = [re.escape(char) for char in form]
    if form.isalpha():
        return rf"(?<![A-Za-z]){form}(?![A-Za-z])"
    return r"(?:\r?\n[ \t]*)?".join(characters) if len(form) >= 2 * _SHORTEST_VALUE else "".join(characters)
