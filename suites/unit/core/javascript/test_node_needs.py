"""Which code goes to Node, and which stays in the embedded engine."""

import pytest

from evolve.core.javascript.node_needs import code_needs_node, file_needs_node, imported_files
from evolve.core.model.errors import InputError, Problem

NODE = [
    "const fs = require('fs'); module.exports = () => 1;",
    "import OpenAI from 'openai';\nexport default () => 1;",
    "import 'dotenv/config';",
    "export { a } from './a.js';",
    "module.exports = () => process.env.HOME;",
    "const {env} = process;",
    "module.exports = async (o) => (await fetch('http://x/' + o)).text();",
    "module.exports = () => __dirname;",
    "const here = import.meta.url;",
    "const data = await load();\nexport default () => data;",
    "module.exports = () => Buffer.concat([]);",
    "module.exports = (name) => require(name);",
    "module.exports = async () => (await import('path')).sep;",
    "module.exports = () => `${process.pid}`;",
    "module.exports = () => new Intl.NumberFormat('de').format(1);",
]
EMBEDDED = [
    "module.exports = (output) => output.includes('fetch(');",
    "// process.env is read elsewhere, require('fs') too\nmodule.exports = () => true;",
    "/* import x from 'y' */ module.exports = (o) => /process\\.env|'/.test(o);",
    "module.exports = (output) => ({ pass: output.process.length > 0 });",
    "const text = `the process. Then fetch it`; module.exports = () => text;",
    "module.exports = (o) => Buffer.from(o).toString('base64');",
    "module.exports = ({fetch: get}) => get;",
    "const process = (text) => text.trim(); module.exports = (o) => process(o);",
    "export default async function (o) {\n  await null;\n  return o;\n}",
    "const url = 'https://x'; module.exports = (o) => o === url;",
    "module.exports = (o) => JSON.parse(o).fetch;",
]


def _reader(texts):
    def read(path):
        if path not in texts:
            raise InputError(Problem(f"no such file: {path}"))
        return texts[path]

    return read


@pytest.mark.parametrize("source", NODE)
def test_what_only_node_has_goes_to_node(source):
    assert file_needs_node("/s/a.js", _reader({"/s/a.js": source}))


@pytest.mark.parametrize("source", EMBEDDED)
def test_everything_else_stays_in_the_embedded_engine(source):
    assert not file_needs_node("/s/a.js", _reader({"/s/a.js": source}))


def test_inline_code_goes_to_node_for_process_and_the_network_only():
    assert code_needs_node("process.mainModule.require('fs').existsSync(output)")
    assert code_needs_node("(await fetch(output)).ok")
    assert not code_needs_node("require('fs').existsSync(output)")
    assert not code_needs_node("output.includes('process.env')")


def test_a_file_needs_node_when_a_file_that_it_imports_does():
    texts = {
        "/s/a.js": "const b = require('./lib/b');",
        "/s/lib/b.js": "import c from '../c.js';",
        "/s/c.js": "module.exports = require('os').cpus();",
    }
    assert file_needs_node("/s/a.js", _reader(texts))
    assert not file_needs_node("/s/a.js", _reader({**texts, "/s/c.js": "module.exports = require('./a.js');"}))


def test_typescript_needs_node_also_behind_an_import_without_suffix():
    assert file_needs_node("/s/a.mts", _reader({"/s/a.mts": "export default 1;"}))
    assert file_needs_node("/s/a.js", _reader({"/s/a.js": "import b from './b';", "/s/b.ts": "export default 1;"}))


def test_imported_files_are_found_once_and_missing_ones_left_out():
    texts = {"/s/a.js": "require('./b'); require('./none');", "/s/b.js": "require('./a'); require('./d.json');"}
    read = _reader({**texts, "/s/d.json": "{}"})
    assert sorted(imported_files("/s/a.js", read)) == ["/s/a.js", "/s/b.js", "/s/d.json"]
