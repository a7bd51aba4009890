"""`is-xml` and `contains-xml`: the output is XML, or contains some, with the elements that a value names."""

from collections.abc import Sequence

from evolve.core.assertions._registry import assertion_type
from evolve.core.assertions._values import quote, wrong_value
from evolve.core.javascript.values import js_strip, to_js_string
from evolve.core.model.json_value import JsonValue
from evolve.core.model.verdicts import AssertionInput, Verdict

_PATHS: JsonValue = {"type": "array", "items": {"type": "string", "minLength": 1}}
_SCHEMA: JsonValue = {
    "anyOf": [
        {"type": "string"},
        _PATHS,
        {"type": "object", "properties": {"requiredElements": _PATHS}, "additionalProperties": False},
        {"type": "null"},
    ],
    "x-expected": "element paths such as 'job.name': text with commas, a list, or a mapping with requiredElements",
}


@assertion_type("is-xml", value_schema=_SCHEMA)
def is_xml(check: AssertionInput) -> Verdict:
    """Pass when the whole output is one well-formed document."""
    from evolve.core.formats.xml_trees import XmlError, check_well_formed, has_path, read_tree

    paths = _paths(check)
    try:
        check_well_formed(check.text)
        tree = read_tree(check.text)
    except XmlError as exc:
        return check.verdict(False, f"Expected XML: {exc}, got {quote(check.text)}")
    missing = [path for path in paths if not has_path(tree, path)]
    if missing:
        return check.verdict(False, f"The XML lacks {', '.join(missing)}, got {quote(check.text)}")
    return check.verdict(True, _missing_path(check, paths))


@assertion_type("contains-xml", value_schema=_SCHEMA)
def contains_xml(check: AssertionInput) -> Verdict:
    """Pass when one balanced element, or several in a row, can be found anywhere in the output."""
    from evolve.core.formats.xml_trees import XmlError, element_spans, has_path, read_tree

    paths = _paths(check)
    spans = element_spans(check.text)
    if not spans:
        return check.verdict(False, f"Expected output to contain XML, got {quote(check.text)}")
    read: list[tuple[int, int]] = []
    for span in spans:
        if any(start <= span.start and span.end <= end for start, end in read):
            continue
        try:
            tree = read_tree(check.text[span.start : span.end])
        except XmlError:
            continue
        if all(has_path(tree, path) for path in paths):
            return check.verdict(True, _missing_path(check, paths))
        read.append((span.start, span.end))
    wanted = f" with {', '.join(paths)}" if paths else ""
    return check.verdict(False, f"Expected output to contain XML{wanted}, got {quote(check.text)}")


def _missing_path(check: AssertionInput, paths: Sequence[str]) -> str:
    if not check.negated:
        return ""
    return f"Expected no XML{' with ' + ', '.join(paths) if paths else ''}, got {quote(check.text)}"


def _paths(check: AssertionInput) -> list[str]:
    value = check.assertion.value
    if isinstance(value, str):
        return [js_strip(path) for path in value.split(",")]
    if isinstance(value, dict) and value:
        value = value.get("requiredElements")
        if not isinstance(value, list):
            raise wrong_value(check, "paths of elements, or a mapping with requiredElements")
    return [to_js_string(path) for path in value] if isinstance(value, list) else []
