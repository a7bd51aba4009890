"""Symbols and imports of languages; strings and comments declare nothing."""

import pytest

from pipecatapp.tools.code_map import code_map


@pytest.mark.parametrize(
    ("name", "text", "symbols", "imports"),
    [
        ("a.js", "// class No\nimport x from './y'\nfunction go() {}\n", ["function go:3"], ["./y"]),
        ("a.ts", "export interface Page { a: string }\n", ["interface Page:1"], []),
        ("a.go", 'import "fmt"\n\nfunc main() { print("func no") }\n', ["func main:3"], ["fmt"]),
        ("a.rs", "struct X {}\nimpl X { fn y(&self) {} }\n", ["struct X:1", "fn y:2"], []),
        ("a.c", "#include <stdio.h>\nint main(void) { return f(); }\n", ["function main:2"], ["stdio.h"]),
        ("A.java", "import a.b.C;\nclass A { void run() {} }\n", ["class A:2", "function run:2"], ["a.b.C"]),
        ("a.unknown", "class A", [], []),
        ("a.pyi", "import os.path\nclass A: ...\n", ["class A:2"], ["os.path"]),
    ],
)
def test_what_a_file_declares(name, text, symbols, imports):
    found = code_map(name, text)
    assert [f"{one.kind} {one.name}:{one.line}" for one in found.symbols] == symbols
    assert list(found.imports) == imports
