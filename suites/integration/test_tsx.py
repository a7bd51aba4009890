"""TypeScript on a Node.js that cannot leave out types: it runs where the suite's own folder has tsx.

tsx itself comes from npm's registry. Where that cannot be reached, a package of tsx's shape shows that Anneal finds the
package and calls it; it translates the TypeScript of these tests and no other.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.system.node_program import find_node

SUITE = """\
prompts: [file://prompt.ts]
providers: [file://provider.ts]
tests:
  - vars: {q: file://var.cts}
    assert: [{type: javascript, value: file://judge.mts}, {type: equals, value: "good: Tell x/"}]
"""
FILES = {
    "suite.yaml": SUITE,
    "prompt.ts": "import { ask } from './words';\n"
    "export default ({ vars }: { vars: any }): string => `${ask} ${vars.q}`;\n",
    "words.ts": "export const ask: string = 'Tell';\n",
    "provider.ts": "enum Mood { Good = 'good' }\n"
    "export default async function (prompt: string) { return { output: `${Mood.Good}: ${prompt}` }; }\n",
    "var.cts": "const path = require('path');\nmodule.exports = (name: string) => ({ output: 'x' + path.sep });\n",
    "judge.mts": "enum Level { Low = 1 }\n"
    "export default (output: string) => output.startsWith('good') && Level.Low === 1;\n",
}
TRANSLATE = """\
exports.translated = (text) => text
  .replace(/enum (\\w+) \\{ (\\w+) = ([^ ]+) \\}/g, 'const $1 = { $2: $3 };')
  .replace(/: (string|\\{ vars: any \\})/g, '');
"""
SHAPED = {
    "tsx/package.json": json.dumps(
        {
            "name": "tsx",
            "exports": {
                "./package.json": "./package.json",
                "./cjs/api": {"require": {"default": "./cjs.cjs"}},
                "./esm/api": {"import": {"default": "./esm.mjs"}},
            },
        }
    ),
    "tsx/translate.cjs": TRANSLATE,
    "tsx/cjs.cjs": """\
const fs = require('fs');
const {translated} = require('./translate.cjs');
exports.register = () => {
  for (const suffix of ['.ts', '.cts'])
    require.extensions[suffix] = (made, file) => made._compile(translated(fs.readFileSync(file, 'utf8')), file);
};
""",
    "tsx/esm.mjs": "import {register as add} from 'node:module';\n"
    "export const register = () => add('./hooks.mjs', import.meta.url);\n",
    "tsx/hooks.mjs": """\
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import shaped from './translate.cjs';
export const resolve = (name, context, next) =>
  next(name, context).catch(() => next(name + '.ts', context));
export const load = async (url, context, next) => {
  if (!/\\.[mc]?ts$/.test(url)) return next(url, context);
  const source = shaped.translated(readFileSync(fileURLToPath(url), 'utf8'));
  return {format: url.endsWith('.cts') ? 'commonjs' : 'module', source, shortCircuit: true};
};
""",
    "esbuild/package.json": json.dumps({"name": "esbuild", "main": "main.cjs"}),
    "esbuild/main.cjs": "const {translated} = require('../tsx/translate.cjs');\n"
    "exports.transformSync = (text) => ({code: translated(text)});\n",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def old_node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Node.js that cannot leave out types: an old one, or a newer one that was made to behave and look like one."""
    real = find_node(os.environ)
    if real.version < (22, 6):
        return real.path
    program = tmp_path_factory.mktemp("node") / "node"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exec echo v20.20.0\n'
        f'exec "{real.path}" --no-experimental-strip-types "$@"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.fixture(scope="module", params=["shaped", "npm"])
def packages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `node_modules` with tsx."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "shaped":
        return written(folder / "node_modules", SHAPED)
    if shutil.which("npm") is None:
        pytest.skip("needs npm: install Node.js with npm")
    command = ["npm", "install", "tsx", "--no-audit", "--no-fund", "--fetch-retries=0", "--prefix", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"needs npm's registry: npm install tsx: {done.stderr.strip()[-200:]}")
    return folder / "node_modules"


def evolve(folder: Path, node: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "EVOLVE_CACHE_DIR": str(folder / "cache"), "EVOLVE_NODE": node}
    command = [sys.executable, "-m", "evolve", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_typescript_runs_where_the_suite_has_tsx(tmp_path: Path, packages: Path, old_node: str) -> None:
    written(tmp_path / "suites", FILES)
    (tmp_path / "node_modules").symlink_to(packages)
    done = evolve(tmp_path / "suites", old_node, "run", "suite.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_without_tsx_the_suite_is_refused_with_the_command_that_installs_it(tmp_path: Path, old_node: str) -> None:
    written(tmp_path, FILES)
    done = evolve(tmp_path, old_node, "run", "suite.yaml")
    assert done.returncode == 2
    for name in ("prompt.ts", "provider.ts", "var.cts", "judge.mts"):
        assert f"{name}: this file cannot run: Node.js 22.18 or newer is needed" in done.stderr
    assert f"or type: cd {tmp_path} && npm install tsx" in done.stderr
