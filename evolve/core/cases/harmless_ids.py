"""Decides which random-looking words are ids of a known shape, which readers of a case need."""
# ruff: noqa: E501  (a pattern broken over lines is harder to compare with what it matches)

import re
from typing import Final

from evolve.core.cases.cued_rules import remembered
from evolve.core.cases.secret_shapes import SecretSpan

_UUID: Final = re.compile(r"(?:[A-Za-z]{2,8}-)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX: Final = re.compile(r"(?:wwn-|eui\.|naa\.|nvme-|\d{1,6}/)?0x[0-9a-f]+|[0-9a-f]+|[0-9A-F]+")
_HEX_DIGITS: Final = frozenset((*range(12, 18), 24, 32, 40, 56, 64, 96, 128))
"""Digits of short commit ids, span ids, cloud ids, MD5, trace ids, SHA-1, SHA-2."""

_BEFORE_REQUEST: Final = re.compile(
    r"(?i)(?:x-amz-id-2|x-amz-cf-id|cf-ray|x-\w{1,20}-(?:request|trace|correlation)-id|(?:request|trace|correlation|span|operation|invocation)[_-]?id|etag)[\"']?[ \t]*[:=][ \t]*[\"']?(?:W/)?[\"']?\Z"
)
_BEFORE_DIGEST: Final = re.compile(r"(?i)(?:sha(?:1|224|256|384|512)|md5|blake2b|h1)[-:=]\Z")
_DIGEST: Final = re.compile(r"(?i)(?:sha(?:1|224|256|384|512)|md5)[-:=]")
_NAME: Final = re.compile(
    r"(?:[a-z][a-z0-9]*|[0-9a-z]{1,12}|[0-9a-f]{12,40})(?:-(?:[a-z]+|[0-9a-z]{1,12}|\d{1,20}|[0-9a-f]{17}|[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})){1,9}"
)
_VERSION: Final = re.compile(r"v?\d+(?:\.\d+){1,3}[-+.\w]*")
_POD: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{6,10}-[a-z0-9]{5}(?:_[a-z0-9][a-z0-9-]{0,60})?")
_TRACE: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|\d{2}-[0-9a-f]{32}-[0-9a-f]{16}-\d{2}|\d-[0-9a-f]{8}-[0-9a-f]{24}")
_PUBLIC_KEY: Final = re.compile(r"(?i)public[ _-]?key(?:token)?[\"']?(?:[ \t]+is)?[ \t]*[:=]?[ \t]*[\"']?\Z")
_WORD: Final = re.compile(r"[\w.+-]*\Z"), re.compile(r"[\w.+-]*")
_FINGERPRINT: Final = re.compile(r"(?<!\w)(?:SHA256:[\w+/]{43}=?(?![\w+/])|MD5:[0-9a-f]{2}(?::[0-9a-f]{2}){15})")
_PUBLIC_DIGEST: Final = re.compile(
    r"[\w./-]@sha256:[0-9a-f]{64}(?![0-9a-f])|(?<![\w-])sha(?:256|384|512)-[A-Za-z0-9+/]{43,88}={0,2}(?![\w+/])|"
    r"(?<![\w-])(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d{3}|sk-(?:ssh|ecdsa)-[\w@.-]{4,40})[ \t]+AAAA[A-Za-z0-9+/]{20,1000}={0,2}"
)
"""Of an image, of a package's archive; and a public key of SSH."""
_OBJECT: Final = re.compile(
    r"(?:call|chatcmpl|cmpl|toolu|msg|req|resp|run|asst|thread|step|batch|file|ftjob|evt|cus|ch|sub|prod|price|txn|acct|org|usr|dpl|prj|build|job)"
    r"[_-][A-Za-z0-9]{14,40}"
)
"""Ids of objects as APIs of models, payments and deployments give them."""
_FAR: Final = 80


def is_harmless_id(text: str, span: SecretSpan) -> bool:
    """Return whether a word is an id of a known shape: UUID, hash, digest, version, name of a pod, trace.

    A secret may have the same shape; it is found by its name or by the text around it.
    """
    word = text[span.start : span.end].lstrip("/")
    if _UUID.fullmatch(word) or _TRACE.fullmatch(word) or _OBJECT.fullmatch(word) or _POD.fullmatch(word):
        return True
    if _HEX.fullmatch(word) and (len(word) in _HEX_DIGITS or "0x" in word):
        return True
    before = text[max(0, span.start - _FAR) : span.start]
    if (
        _BEFORE_DIGEST.search(before)
        or _DIGEST.match(word)
        or _BEFORE_REQUEST.search(before)
        or is_public_digest(text, span)
    ):
        return True
    return _is_name_or_version(before, word, text[span.end : span.end + _FAR])


def is_public_key(text: str, at: int) -> bool:
    """Return whether the words before a place say that a public key is there."""
    return _PUBLIC_KEY.search(text, max(0, at - _FAR), at) is not None


def _is_name_or_version(before: str, word: str, after: str) -> bool:
    head, tail = _WORD[0].search(before), _WORD[1].match(after)
    whole = (head[0] if head else "") + word + (tail[0] if tail else "")
    has_word = any(len(part) >= 2 and part.isalpha() for part in whole.split("-"))
    return _VERSION.fullmatch(whole) is not None or (has_word and _NAME.fullmatch(whole) is not None)


def is_fingerprint(text: str, span: SecretSpan) -> bool:
    """Return whether a place is inside the fingerprint of an SSH key, which is public."""
    found = _FINGERPRINT.finditer(text, max(0, span.start - _FAR), span.end + _FAR)
    return any(one.start() <= span.start and span.end <= one.end() for one in found)


def is_public_digest(text: str, span: SecretSpan) -> bool:
    """Return whether a place is inside the digest of an image or an archive, or inside a public key of SSH."""
    return any(start <= span.start and span.end <= end for start, end in _public_digests(text))


@remembered
def _public_digests(text: str) -> tuple[tuple[int, int], ...]:
    if not any(mark in text for mark in ("sha256", "sha384", "sha512", "AAAA")):
        return ()
    return tuple(found.span() for found in _PUBLIC_DIGEST.finditer(text))
