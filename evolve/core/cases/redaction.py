"""Removes secrets from captured data, before anything else is done with it.

Each secret becomes a placeholder, `<secret:1a2b3c>`. A UUID, a hash or other random text becomes `<id:1a2b3c>`, unless
it is one of the known ids. The digits are a keyed BLAKE2 digest: equal values get equal placeholders, and nobody can
test guesses against them without the key.
"""

import base64
import binascii
import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus

from evolve.core.cases.account_pairs import find_account_pairs
from evolve.core.cases.answered_questions import find_answered_questions
from evolve.core.cases.byte_texts import byte_texts
from evolve.core.cases.call_arguments import find_call_arguments
from evolve.core.cases.claimed_values import find_claimed_values
from evolve.core.cases.code_places import find_placed_operands
from evolve.core.cases.command_output import find_printed_secrets
from evolve.core.cases.conversations import find_conversation_answers
from evolve.core.cases.copies import Copies, occurrences, parts_of
from evolve.core.cases.cued_rules import forget_texts
from evolve.core.cases.grown_secrets import grow_secrets
from evolve.core.cases.harmless_finds import without_harmless
from evolve.core.cases.harmless_ids import is_harmless_id, is_public_key
from evolve.core.cases.joined_texts import JoinedTexts, PartSpan
from evolve.core.cases.made_words import find_made_words
from evolve.core.cases.named_blocks import find_block_secrets
from evolve.core.cases.one_time_codes import find_one_time_codes
from evolve.core.cases.password_places import find_placed_passwords
from evolve.core.cases.password_tokens import find_password_tokens
from evolve.core.cases.password_words import find_password_words
from evolve.core.cases.personal_data import find_personal_data
from evolve.core.cases.presented_tokens import find_presented_tokens
from evolve.core.cases.presented_values import find_presented_values
from evolve.core.cases.program_options import find_option_secrets
from evolve.core.cases.quoted_arguments import find_quoted_arguments
from evolve.core.cases.random_text import find_encoded_words, random_parts
from evolve.core.cases.secret_assignments import find_assigned_secrets
from evolve.core.cases.secret_names_in_text import find_named_secrets, is_no_secret, is_secret_word
from evolve.core.cases.secret_neighbours import find_neighbour_secrets
from evolve.core.cases.secret_phrases import find_phrase_secrets
from evolve.core.cases.secret_sections import find_section_secrets
from evolve.core.cases.secret_shapes import FILL, SecretSpan, find_shaped_secrets
from evolve.core.cases.text_views import exact_views, joined_views, named_views
from evolve.core.cases.unlisted_secrets import find_unlisted_secrets
from evolve.core.cases.wire_places import find_wire_secrets
from evolve.core.model.errors import EvolveError
from evolve.core.model.json_value import JsonValue
from evolve.core.text.secret_names import is_secret_name

_SHORTEST_VALUE: Final = 6
"""Shorter values of secret variables are words such as `on`; to mask them everywhere would destroy the text."""
_MIN_ENCODED: Final = 10
"""Characters of base64 that must match, which are 60 bits: fewer would match unrelated data by chance."""

_MAX_SECRETS: Final = 500
_MAX_CHARS: Final = 4 * 2**20
"""Each secret is searched for in the whole text, so the time grows with both numbers. Real reports stay far below them;
larger input is refused."""

_MIN_ID_PART: Final = 12
"""Characters of a part of a known id that is kept too: a short hash has 12, and shorter parts are ordinary names."""

_MIN_NUMBER: Final = 1000
"""Smaller numbers under a secret's name are counts and limits (`max_tokens`), not secrets."""

_MAX_PASSES: Final = 4
"""Passes until nothing more is found; one is nearly always enough."""
_MOST_SEARCHED_AGAIN: Final = 40_000
"""Characters that are searched again after a pass. In none of 2,072 fixtures the second search found anything, so a
larger text is searched once: that halves the time of the logs that take longest. A failure case is smaller."""

_MAX_KEY: Final = 64
"""Bytes that BLAKE2b accepts as a key."""

_CUT_ENDS: Final = 2
"""Characters that may be broken in an encoded text: a cut breaks one at each end."""

PLACEHOLDER: Final = re.compile(r"<(?:secret|id):[0-9a-f]{6}>")


class CannotRedact(EvolveError):
    """A value could not be searched for secrets, so it must not be written anywhere."""


def environment_secrets(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of the environment variables that hold secrets.

    A variable whose name merely resembles a secret's (`XDG_SESSION_TYPE`, `SSH_AUTH_SOCK`) counts only if its value is
    neither a word nor a path.
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


_Finds = dict[tuple[str, str], list[_Found]]
"""What was found in each text with its name: both passes need it, and the search is what takes the time."""


class Redactor:
    """Masks secrets in JSON values.

    Args:
        secrets: values that are always masked, such as those of the process's own variables.
        known_ids: ids of the failure itself, which are kept (`job_id`, `alloc_id`, `node`, `image`).
        keeps_ids: whether ids of a known shape are kept: hashes, UUIDs, versions.
        keeps_personal_data: whether e-mail addresses, phone numbers and similar data are kept.
        key: for the placeholders' digest; the same key gives the same placeholders.
        scanners: further functions that find secrets in a text.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        known_ids: Iterable[str] = (),
        *,
        keeps_ids: bool = True,
        keeps_personal_data: bool = False,
        key: bytes = b"",
        scanners: Iterable[Callable[[str], Iterable[SecretSpan]]] = (),
    ) -> None:
        self._secrets = sorted({value for value in secrets if len(value) >= _SHORTEST_VALUE}, key=len, reverse=True)
        self._exact = _exact_pattern(self._secrets)
        self._known = _with_parts(known_ids)
        self._keeps_ids = keeps_ids
        self._keeps_personal_data = keeps_personal_data
        self._key = key
        self._encoded: dict[str, bool] = {}
        self._known_finds: _Finds = {}
        self._scanners = (
            find_shaped_secrets,
            find_named_secrets,
            find_option_secrets,
            find_phrase_secrets,
            find_neighbour_secrets,
            find_password_words,
            find_placed_passwords,
            find_placed_operands,
            find_assigned_secrets,
            find_printed_secrets,
            find_section_secrets,
            find_one_time_codes,
            find_wire_secrets,
            find_quoted_arguments,
            find_unlisted_secrets,
            find_made_words,
            find_block_secrets,
            find_claimed_values,
            find_presented_values,
            find_account_pairs,
            find_call_arguments,
            find_answered_questions,
            find_password_tokens,
            find_presented_tokens,
            find_conversation_answers,
            *scanners,
        )

    def with_ids(self, known_ids: Iterable[str]) -> "Redactor":
        """Return this redactor with other known ids."""
        other = Redactor(
            self._secrets,
            known_ids,
            keeps_ids=self._keeps_ids,
            keeps_personal_data=self._keeps_personal_data,
            key=self._key,
        )
        other._scanners = self._scanners
        return other

    def redact(self, value: JsonValue) -> JsonValue:
        """Return the value with every secret masked, also in keys; a secret found in one text is masked in all.

        Raises:
            CannotRedact: a scanner failed, the value is too large, or a secret could not be masked.
        """
        try:
            return self._redact_until_stable(value)
        finally:  # they hold the texts' own words, and serve the passes over one value
            self._encoded.clear()
            self._known_finds.clear()
            forget_texts()

    def _redact_until_stable(self, value: JsonValue) -> JsonValue:
        masked = self._redact_once(value)
        if sum(len(text) for text, _ in _texts(masked, "")) > _MOST_SEARCHED_AGAIN:
            return masked
        for _ in range(_MAX_PASSES):
            # A placeholder is a context of its own: what a further pass would find next to it is masked now.
            again = self._redact_once(masked) if masked != value else masked
            if again == masked:
                return masked
            value, masked = masked, again
        return masked

    def _redact_once(self, value: JsonValue) -> JsonValue:
        if sum(len(text) for text, _ in _texts(value, "")) > _MAX_CHARS:
            raise CannotRedact(f"expected at most {_MAX_CHARS:,} characters to search for secrets, got more")
        try:
            finds: _Finds = {}
            learned = set(self._learn(value, "", finds))
            masked = (
                self._mask(value, "", Copies(learned, self._known), finds) if len(learned) <= _MAX_SECRETS else None
            )
        except Exception as error:  # any fault of a scanner must stop the write; its message may contain the text
            raise CannotRedact(f"a text could not be searched for secrets ({type(error).__name__})") from None
        if len(learned) > _MAX_SECRETS:
            raise CannotRedact(f"it contains more than {_MAX_SECRETS} secrets")
        if self.leaks(masked):
            raise CannotRedact("a secret from this process's environment could not be masked")
        return masked

    def leaks(self, value: JsonValue) -> bool:
        """Return whether a value contains a secret of this process in any known form (URL-encoded, base64, ...)."""
        exact = self._exact
        return exact is not None and any(exact.search(PLACEHOLDER.sub("", text)) for text, _ in _texts(value, ""))

    # --- finding

    def _learn(self, value: JsonValue, key: str, finds: "_Finds") -> Iterator[str]:
        """Yields the secrets in a value; each is then masked wherever else it occurs."""
        for text, name in _texts(value, key):
            finds[text, name] = self._find(text, name)
            for found in finds[text, name]:
                if found.is_secret:
                    yield text[found.start : found.end]

    def _find(self, text: str, name: str) -> list[_Found]:
        found = self._known_finds.get((text, name))
        if found is None:
            found = self._known_finds[text, name] = self._search(text, name)
        return found

    def _search(self, text: str, name: str) -> list[_Found]:
        if self._is_secret_whole(text, name):
            return [_Found(0, len(text), True)]
        shown = PLACEHOLDER.sub(_fill, text)
        spans = without_harmless(shown, set(self._secret_spans(shown)))
        grown: list[SecretSpan] = list(grow_secrets(shown, spans))
        if self._exact is not None:
            grown += self._own_secrets(shown)
        secrets = [_Found(*span, True) for span in grown]
        own = [span for known in self._known for span in occurrences(text, known)]
        others = [
            _Found(*span, False)
            for span in random_parts(shown)
            if not _is_inside(span, own)
            and not (self._keeps_ids and (is_harmless_id(text, span) or is_public_key(text, span.start)))
        ]
        persons = () if self._keeps_personal_data else find_personal_data(text)
        named = [_Found(*span, False) for span in persons if not _is_inside(span, own)]
        return _merge(_without_placeholders(text, list({*secrets, *others, *named})))

    def _is_secret_whole(self, text: str, name: str) -> bool:
        """Whether the name alone shows that the whole text is a secret."""
        if not name or is_no_secret(text.strip()) or PLACEHOLDER.search(text):
            return False
        word = text.strip()
        looks_made = any(span == (0, len(word)) for span in random_parts(word))
        return is_secret_word(name) or (looks_made and is_secret_name(name))

    def _secret_spans(self, text: str) -> Iterator[SecretSpan]:
        for scanner in self._scanners:
            yield from scanner(text)
        views = list(named_views(text))
        if views:  # as one text, because each search of a text has a price that does not depend on its length
            view = joined_views(views)
            for scanner in self._scanners:
                for span in scanner(view.text):
                    if span.end > span.start and not view.is_divided(*span):
                        yield view.span(*span)
        yield from self._written_as_bytes(text)
        words = list(find_encoded_words(text))
        self._decode_words({text[span.start : span.end] for span in words})
        yield from (span for span in words if self._encoded[text[span.start : span.end]])

    def _written_as_bytes(self, text: str) -> Iterator[SecretSpan]:
        written = list(byte_texts(text))
        if written:
            for found, _ in self._found_in([one.text for one in written]):
                yield from written[found.number].spans(found.start, found.end)

    def _decode_words(self, words: Iterable[str]) -> None:
        """Decides for each new word whether it is base64 of a text with a secret."""
        new = [word for word in words if word not in self._encoded]
        texts = [_decode(word) for word in new]
        self._encoded.update((word, self._is_own(decoded)) for word, decoded in zip(new, texts, strict=True))
        texts = [decoded if _is_text(decoded) else "" for decoded in texts]
        for found, scanner in self._found_in(texts) if any(texts) else ():
            # Bytes that are no text look like passwords, so only what has a name counts there.
            if scanner is not find_password_words or "\ufffd" not in texts[found.number]:
                self._encoded[new[found.number]] = True

    def _found_in(self, texts: list[str]) -> Iterator[tuple[PartSpan, Callable[[str], Iterable[SecretSpan]]]]:
        joined = JoinedTexts(texts)
        for scanner in self._scanners:
            for span in scanner(joined.text):
                if (found := joined.place(span)) is not None:
                    yield found, scanner

    def _own_secrets(self, text: str) -> Iterator[SecretSpan]:
        """Yields the secrets of this process, in every reading of the text."""
        assert self._exact is not None
        yield from self._own_in(text)
        for view in exact_views(text):
            yield from (view.span(*span) for span in self._own_in(view.text))

    def _own_in(self, text: str) -> Iterator[SecretSpan]:
        """Yields whole secrets of this process, and what is left of those that a program cut."""
        assert self._exact is not None
        yield from (SecretSpan(*match.span()) for match in self._exact.finditer(text))
        for secret in self._secrets:
            yield from parts_of(text, secret)

    def _is_own(self, decoded: str) -> bool:
        return self._exact is not None and self._exact.search(decoded) is not None

    # --- masking

    def _mask(self, value: JsonValue, key: str, copies: "Copies", finds: "_Finds") -> JsonValue:
        if isinstance(value, str):
            return self._mask_text(value, finds[value, key], copies)
        if isinstance(value, list):
            return [self._mask(part, key, copies, finds) for part in value]
        if isinstance(value, dict):
            return {
                self._mask_text(name, finds[name, ""], copies): self._mask(part, _key_of(value, name), copies, finds)
                for name, part in value.items()
            }
        if is_secret_word(key) and _is_long_number(value):
            return self._placeholder("secret", str(value))
        return value

    def _mask_text(self, text: str, known: list["_Found"], copies: "Copies") -> str:
        found = _without_placeholders(text, [*known, *(_Found(*span, True) for span in copies.of(text))])
        parts, at = [], 0
        for start, end, is_secret in _merge(found):
            parts += [text[at:start], self._placeholder("secret" if is_secret else "id", text[start:end])]
            at = end
        return "".join([*parts, text[at:]])

    def _placeholder(self, kind: str, value: str) -> str:
        # Without blanks a secret that a line break divides gets the placeholder of the whole one. Three bytes are
        # enough to distinguish the few secrets of one case, and too few to identify one.
        plain = re.sub(r"\s+", "", value).encode("utf-8", "surrogatepass")
        return f"<{kind}:{hashlib.blake2b(plain, digest_size=3, key=self._key[:_MAX_KEY]).hexdigest()}>"


def _texts(value: JsonValue, key: str) -> Iterator[tuple[str, str]]:
    """Yields every text in a value with its key; keys are texts too."""
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
    """Returns the name of a value: its key, or the name in a pair such as {name: DB_PASSWORD, value: ...}."""
    if name.lower() == "value":
        names = [part for key, part in mapping.items() if key.lower() in ("name", "key")]
        return str(names[0]) if names else name
    return name


def _is_long_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _MIN_NUMBER


def _is_inside(span: SecretSpan, others: Iterable[SecretSpan]) -> bool:
    return any(other.start <= span.start and span.end <= other.end for other in others)


def _without_placeholders(text: str, found: list[_Found]) -> list[_Found]:
    """Returns the finds that overlap no placeholder of an earlier redaction."""
    if "<secret:" not in text and "<id:" not in text:
        return found
    taken = [match.span() for match in PLACEHOLDER.finditer(text)]
    starts = [start for start, _ in taken]
    # Placeholders do not overlap, so the last that begins before the end of a find decides.
    return [item for item in found if not (at := bisect_left(starts, item.end)) or taken[at - 1][1] <= item.start]


def _fill(placeholder: re.Match[str]) -> str:
    return FILL * len(placeholder[0])


def _merge(found: Iterable[_Found]) -> list[_Found]:
    """Returns the finds from left to right, with overlapping ones merged; a merged one is a secret if any part is."""
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
    """Returns the ids and the parts of composed ones: messages show an image's digest without its name."""
    whole = {known for known in known_ids if len(known) >= _SHORTEST_VALUE}
    parts = {part for known in whole for part in re.split(r"[/@:]", known)}
    return frozenset(whole | {part for part in parts if len(part) >= _MIN_ID_PART})


def _decode(word: str) -> str:
    """Decodes a word from base64, with U+FFFD for bytes that are not UTF-8; empty if it is not base64."""
    body = word.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _is_text(decoded: str) -> bool:
    """Whether decoded bytes are a text, of which a cut may have broken a character at each end."""
    return decoded.count("\ufffd") <= _CUT_ENDS and all(char.isprintable() or char in "\r\n\t\0" for char in decoded)


def _exact_pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Makes a pattern of the secrets in all forms in which logs and requests write them, the longest form first."""
    forms = {form for secret in secrets for form in _forms(secret)}
    if not forms:
        return None
    return re.compile("|".join(_over_line_breaks(form) for form in sorted(forms, key=len, reverse=True)))


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1])
    raw = secret.encode("utf-8", "surrogatepass")
    for lead in range(3):  # base64 of the same bytes depends on their offset modulo 3
        encoded = base64.b64encode(b"\0" * lead + raw).decode()
        # Only characters whose six bits all come from the secret; the others depend on its neighbours.
        middle = encoded[(lead * 8 + 5) // 6 : (lead + len(raw)) * 8 // 6]
        if len(middle) >= _MIN_ENCODED:
            yield from (middle, middle.replace("+", "-").replace("/", "_"))


def _over_line_breaks(form: str) -> str:
    """Makes a pattern of the form. A long one also matches across line breaks; a plain word matches as a whole word."""
    characters = [re.escape(char) for char in form]
    if form.isalpha():
        return rf"(?<![A-Za-z]){form}(?![A-Za-z])"
    return r"(?:\r?\n[ \t]*)?".join(characters) if len(form) >= 2 * _SHORTEST_VALUE else "".join(characters)
