import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipecatapp.wire.json_spans import NotAnObject, replace_value, spans_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_spans_are_what_the_standard_decoder_reads(value, indent, is_ascii):
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    spans = spans_of(text)
    assert {span.key: span.value for span in spans} == value
    assert all(json.loads(text[span.start : span.end]) == span.value for span in spans)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5), st.text(max_size=20))
def test_replacing_changes_that_value_and_no_other_byte(others, model):
    value = {**others, "model": "old", "last": [1.50, "ä\\u00e4"]}
    text = json.dumps(value, indent=1, ensure_ascii=False)
    replaced = replace_value(text, spans_of(text), "model", model)
    assert json.loads(replaced) == {**value, "model": model}
    assert replaced.replace(f'"model": {json.dumps(model)}', '"model": "old"', 1) == text or model in text


def test_numbers_and_escapes_stay_as_they_were_written():
    text = '{ "temperature":1.50,"model":"a", "x":"\\u00e4\\/", "model2":1e3 }'
    expected = '{ "temperature":1.50,"model":"b", "x":"\\u00e4\\/", "model2":1e3 }'
    assert replace_value(text, spans_of(text), "model", "b") == expected


def test_a_model_inside_of_another_value_is_left_alone():
    text = '{"metadata": {"model": "inner"}, "model": "outer"}'
    assert replace_value(text, spans_of(text), "model", "new") == '{"metadata": {"model": "inner"}, "model": "new"}'


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "[]", "1", '"a"', "{", "{,}", '{"a"}', '{"a":}', '{"a":1,}', '{"a":1}x', '{"a":NaN}', '{"a":Infinity}',
        "{'a':1}", "{a:1}", '{"a":1 "b":2}', '{"a":"\x01"}', "\ufeff{}", '{"a":' + "[" * 200_000,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_anything_else_is_refused_without_being_quoted(text):
    with pytest.raises(NotAnObject) as error:
        spans_of(text)
    assert "'a'" not in str(error.value)


def test_a_number_of_ten_thousand_digits_is_refused():
    with pytest.raises(NotAnObject):
        spans_of('{"a":' + "1" * 10_000 + "}")
