"""JavaScript from suites: what an evaluation answers, what is fresh, what is limited, and what is not there."""

import threading
from typing import Any

import pytest

from evolve.core.javascript.engine import (
    JavaScriptError,
    Regex,
    call_javascript_file,
    evaluate_javascript,
    function_body,
    run_javascript,
)
from evolve.core.model.errors import CannotEvaluate, InputError, Problem


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("output.length > 3", True),
        ("output.length > 3;;", True),
        ("const n = output.length; n * 2", 10),
        ("let s = 'a;b'; s === 'a;b'", True),
        ("const n = 1;\nreturn n + context.vars.k", 3),
        ("(async () => 7)()", 7),
        ("new Promise((done) => setTimeout(() => done('late'), 5000))", "late"),
        ("(async () => { const xs = await Promise.all([1, Promise.resolve(2)]); return xs })()", [1, 2]),
        ("({a: undefined, b: NaN, c: [undefined]})", {"b": None, "c": [None]}),
        ("undefined", None),
        ("NaN", None),
        ("1 / 0", None),
        ("2.0", 2),
        ("12345678901234567890n", 12345678901234567890),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("JSON.parse('{\"a\": 1}').a", 1),
        ("console.log('x') || console.table([]) || 'quiet'", "quiet"),
        ("structuredClone({a: [1]})", {"a": [1]}),
        ("btoa('hi') + atob('aGk=')", "aGk=hi"),
        ("(1234567.891).toLocaleString()", "1,234,567.891"),
        ("['b', 'A', 'a', 'ä', 'B'].sort((x, y) => x.localeCompare(y)).join('')", "aAäbB"),
        ("'a\\u0000b'.length", 3),
        ("/^h.l+o$/.test(output)", True),
        ("output.match(/l/g).length", 2),
        ("const e = new Error('a'); e.name = 'Mine'; e.name", "Mine"),
        ("const o = {}; o.toString = () => 'own'; String(o)", "own"),
        ("[...new Set([1, 1, 2])].length + new Map([[1, 2]]).get(1)", 4),
        ("Object.entries({a: 1}).flat()", ["a", 1]),
    ],
)
def test_an_expression_or_a_body_answers_its_value(code: str, value: Any) -> None:
    assert run_javascript(code, {"output": "hello", "context": {"vars": {"k": 2}}}) == value


@pytest.mark.parametrize("text", ["", "é😀", "a\0b", "\ud800", '"\\\n\u2028', "x" * 200_000])
def test_any_text_crosses_unchanged(text: str) -> None:
    assert run_javascript("output", {"output": text, "context": {}}) == text
    assert run_javascript("output.length", {"output": text}) == len(text.encode("utf-16-le", "surrogatepass")) // 2


@pytest.mark.parametrize(
    ("code", "type_name"),
    [
        ("undefined", "undefined"),
        ("null", "object"),
        ("() => 1", "function"),
        ("Infinity", "number"),
        ("'a'", "string"),
    ],
)
def test_types_that_json_lacks_are_reported_apart(code: str, type_name: str) -> None:
    assert evaluate_javascript(code, {}).type_name == type_name


def test_a_function_that_nothing_calls_is_refused() -> None:
    with pytest.raises(CannotEvaluate, match="nothing calls"):
        run_javascript("(output) => output.length", {"output": "x"})


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("output.(", "SyntaxError"),
        ("nope", "ReferenceError"),
        ("null.x", "TypeError"),
        ("(() => { throw new RangeError('r') })()", "RangeError"),
        ("(() => { throw 'text' })()", ""),
        ("(() => { throw {a: 1} })()", ""),
        ("Promise.reject(new Error('no'))", "Error"),
        ("(async () => { null.x })()", "TypeError"),
        ("(function f() { f() })()", "RangeError"),
        ("await 1", "SyntaxError"),
    ],
)
def test_code_that_throws_names_its_error(code: str, name: str) -> None:
    with pytest.raises(JavaScriptError) as caught:
        run_javascript(code, {"output": "x"})
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("process.env.HOME", "no process"),
        ("fetch('http://x')", "no fetch"),
        ("Buffer.from('a', 'ucs2')", "no Buffer.from"),
        ("new Intl.NumberFormat('de').format(1)", "Intl"),
        ("new Intl.DateTimeFormat('en-US')", "no Intl.DateTimeFormat"),
        ("new Date().toLocaleDateString()", "Intl"),
        ("'a'.localeCompare('b', 'de')", "Intl"),
        ("new Promise(() => {})", "never settles"),
    ],
)
def test_what_the_sandbox_lacks_is_named(code: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message) as caught:
        run_javascript(code, {})
    assert not isinstance(caught.value, JavaScriptError)


@pytest.mark.parametrize(
    "code",
    [
        "(() => { for (;;) {} })()",
        "/(a+)+$/.test('a'.repeat(60) + 'b')",
        "(async () => { for (;;) await 1 })()",
        "(() => { const xs = []; for (;;) xs.push(new Array(1000).fill(1)) })()",
        "'x'.repeat(2 ** 29)",
        "new Promise((done) => { const again = () => setTimeout(again, 1); again() })",
    ],
)
def test_code_without_end_is_stopped_and_the_next_evaluation_works(code: str) -> None:
    with pytest.raises(CannotEvaluate):
        run_javascript(code, {}, time_limit_s=0.2)
    assert run_javascript("1 + 1", {}) == 2


@pytest.mark.parametrize(
    ("first", "then", "value"),
    [
        ("(leak = 5)", "typeof leak", "undefined"),
        ("Array.prototype.map = null", "[1].map((x) => x + 1)", [2]),
        ("(JSON.parse = 5)", "JSON.parse('1')", 1),
        ("Object.defineProperty(Object.prototype, 'evil', {value: 1})", "typeof ({}).evil", "undefined"),
        ("globalThis.leak = 1", "typeof leak", "undefined"),
        ("String.prototype.shout = function () { return this + '!' }, 'a'.shout()", "typeof 'a'.shout", "undefined"),
        ("(undefined = 1)", "undefined", None),
        ("(Math = 1)", "Math.max(1, 2)", 2),
        ("setTimeout(() => { leak = 1 }, 10), 1", "typeof leak", "undefined"),
    ],
)
def test_one_evaluation_does_not_disturb_the_next(first: str, then: str, value: Any) -> None:
    run_javascript(first, {})
    assert run_javascript(then, {}) == value


def test_code_may_extend_builtins_for_itself() -> None:
    code = "String.prototype.shout = function () { return this + '!' };\nreturn output.shout()"
    assert run_javascript(code, {"output": "hi"}) == "hi!"


def test_threads_have_engines_of_their_own() -> None:
    answers: list[Any] = []
    work = lambda: answers.append([run_javascript("n * 2", {"n": n}) for n in range(50)])  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[n * 2 for n in range(50)]] * 4


def test_more_functions_than_a_context_keeps_still_answer() -> None:
    assert sum(int(str(run_javascript(f"{n}", {}))) for n in range(2_100)) == sum(range(2_100))


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("a", "return a"),
        ("a;\n", "return a"),
        ("a\nb", "a\nb"),
        ("const a = 1", "const a = 1"),
        ("const a = ';'; a", "const a = ';'; return a"),
        ("var a = `x;y`; a; ", "var a = `x;y`; return a"),
        ("constant", "return constant"),
    ],
)
def test_a_line_gets_its_return(code: str, body: str) -> None:
    assert function_body(code) == body


@pytest.mark.parametrize(
    ("source", "function"),
    [
        ("module.exports = (o, c) => o + c.k", None),
        ("module.exports = {other: () => 0, judge: (o, c) => o + c.k}", "judge"),
        ("exports.judge = async function (o, c) { return o + c.k }", "judge"),
        ("export default function (o, c) { return o + c.k }", None),
        ("export default async (o, c) => o + c.k;", None),
        ("const k = 1;\nexport function judge(o, c) { return o + c.k }", "judge"),
        ("export const judge = (o, c) => o + c.k;", "judge"),
        ("function f(o, c) { return o + c.k }\nexport { f as judge };", "judge"),
        ("#!/usr/bin/env node\nmodule.exports.default = (o, c) => o + c.k", None),
        ("'use strict';\nmodule.exports = function (o, c) { return o + c.k }", "judge"),
    ],
)
def test_a_files_function_is_found_however_it_is_exported(source: str, function: str | None) -> None:
    assert call_javascript_file(source, function, [1, {"k": 2}]).value == 3


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ("module.exports = 1", "a.js", "exports no function"),
        ("module.exports = {a: 1}", "a.js", "exports no function"),
        ("const fs = require('fs'); module.exports = () => 1", "a.js", r"require\('fs'\)"),
        ("import fs from 'fs';\nexport default () => fs", "a.mjs", r"require\('fs'\)"),
        ("export default 1", "a.ts", "TypeScript does not run in the embedded engine"),
        ("module.exports = (", "a.js", "SyntaxError"),
    ],
)
def test_a_file_that_cannot_run_says_why(source: str, path: str, message: str) -> None:
    with pytest.raises(CannotEvaluate, match=message):
        call_javascript_file(source, None, [], path=path)


def read_from(files: dict[str, str]) -> Any:
    def read(path: str) -> str:
        if path not in files:
            raise InputError(Problem(f"no such file: {path}"))
        return files[path]

    return read


@pytest.mark.parametrize(
    "source",
    [
        "const {double} = require('./lib/double'); module.exports = (n) => double(n) + require('./data.json').extra",
        "import {double} from './lib/double.js';\nimport data from './data.json';\n"
        "export default (n) => double(n) + data.extra",
        "import * as lib from './lib/double.js';\nexport default (n) => lib.double(n) + 1",
    ],
)
def test_neighbouring_files_can_be_required(source: str) -> None:
    files = {"/s/lib/double.js": "exports.double = (n) => n * 2;", "/s/data.json": '{"extra": 1}'}
    assert call_javascript_file(source, None, [3], path="/s/judge.js", read=read_from(files)).value == 7


def test_a_files_variables_are_fresh_for_each_call() -> None:
    source = "let calls = 0; module.exports = () => ++calls"
    assert [call_javascript_file(source, None, []).value for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "found"),
    [
        (r"^\d{3}$", "", "123", True),
        (r"^b", "", "a\nb", False),
        (r"^b", "m", "a\nb", True),
        (r"A", "i", "a", True),
        (r"\d", "", "٣", False),
        (r"(?<year>\d{4})", "", "in 2024", True),
        (r"(?<!a)b", "", "ab", False),
        (r"\u{1F600}", "u", "😀", True),
        (r"^.$", "", "😀", False),
        (r"^.$", "su", "😀", True),
        (r"a", "g", "a", True),
        (r"\x00", "", "a\0b", True),
        (r"[^]", "", "\n", True),
        (r"\p{L}", "u", "ß", True),
    ],
)
def test_regular_expressions_follow_javascript(pattern: str, flags: str, text: str, found: bool) -> None:
    expression = Regex(pattern, flags)
    assert [expression.search(text) for _ in range(3)] == [found] * 3


@pytest.mark.parametrize("pattern", ["(", "a**", "[z-a]", "(?P<n>x)", "(?i)x"])
def test_an_invalid_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(JavaScriptError):
        Regex(pattern)


def test_a_search_that_runs_away_is_stopped() -> None:
    with pytest.raises(CannotEvaluate, match="longer than"):
        Regex("(a+)+$").search("a" * 60 + "b", time_limit_s=0.1)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("Buffer.from('a é 🎉').toString('base64')", "YSDDqSDwn46J"),
        ("Buffer.from('YSDDqQ==', 'base64').toString()", "a é"),
        ("new TextDecoder().decode(new TextEncoder().encode('é🎉'))", "é🎉"),
        ("new URL('https://A.b:8080/c?x=1&y=a+b#h').searchParams.get('y')", "a b"),
        ("JSON.stringify(new URL('https://a.b:443/x?y'))", '"https://a.b/x?y"'),
        ("try { new URL('nope'); return 'a URL'; } catch (e) { return e.message; }", None),
        ("new Intl.NumberFormat('en-US').format(1234.5)", "1,234.5"),
        ("new URLSearchParams({a: 'b c'}).toString()", "a=b+c"),
        ("'Ärger'.localeCompare('arger', undefined, {sensitivity: 'base'})", 0),
    ],
)
def test_bytes_and_urls_are_there_as_in_node(code, value):
    if value is None:
        code, value = code.replace("{ new", "{\n new"), "Invalid URL"
    assert run_javascript(code, {}) == value


def test_names_that_inline_code_lacks_under_node_too_are_its_own_mistake():
    with pytest.raises(JavaScriptError, match="require"):
        run_javascript("require('fs')", {})
    with pytest.raises(CannotEvaluate, match="no fetch: code runs in a sandbox"):
        run_javascript("fetch('http://x')", {})
