"""JavaScript files as modules: the files a source requires by relative paths, and ES syntax turned into CommonJS."""

import json
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from evolve.core.javascript.node_needs import is_typescript
from evolve.core.model.errors import CannotEvaluate, InputError

_MAX_MODULES = 100
"""Files that one file may require, directly or not; more is a package, which belongs into Node.js."""
_REQUIRE = re.compile(r"""\brequire\(\s*(['"])([^'"\n]+)\1\s*\)""")
_IMPORT = re.compile(r"""^[ \t]*import\s+([^'";]*?)\s*from\s*(['"])([^'"\n]+)\2[ \t]*;?""", re.M)
_IMPORT_EFFECT = re.compile(r"""^[ \t]*import\s*(['"])([^'"\n]+)\1[ \t]*;?""", re.M)
_EXPORT_DEFAULT = re.compile(r"^[ \t]*export\s+default\s+", re.M)
_EXPORT_DECLARATION = re.compile(
    r"^([ \t]*)export\s+((?:async\s+)?function\s*\*?\s*|class\s+|const\s+|let\s+|var\s+)([A-Za-z_$][\w$]*)", re.M
)
_EXPORT_LIST = re.compile(r"^[ \t]*export\s*\{([^}]*)\}[ \t]*;?", re.M)


@dataclass(frozen=True, slots=True)
class Module:
    """One file, ready to run."""

    path: str
    source: str
    """CommonJS; the text itself when the file is JSON."""
    links: tuple[tuple[str, str], ...] = ()
    """The name of each `require(NAME)` and the path of its file."""

    def to_json(self) -> str:
        """Return the module as JSON for the `add` of the prelude."""
        if self.path.endswith(".json"):
            return json.dumps({"path": self.path, "data": self.source})
        return json.dumps({"path": self.path, "source": self.source, "links": dict(self.links)})


def collect_modules(source: str, path: str, read: Callable[[str], str] | None) -> tuple[Module, ...]:
    """Return the file and all that it requires by relative paths, the file first.

    Raises:
        CannotEvaluate: TypeScript, or too many files.
    """
    if read is None:
        return (_module(source, path, ()),)
    texts: dict[str, str] = {path: source}
    modules: list[Module] = []
    waiting = [path]
    while waiting:
        current = waiting.pop(0)
        links = _links(texts[current], current, texts, read)
        waiting += [target for _, target in links if target not in {m.path for m in modules} | {current, *waiting}]
        modules.append(_module(texts[current], current, tuple(links)))
        if len(modules) > _MAX_MODULES:
            raise CannotEvaluate(f"{path} requires more than {_MAX_MODULES} files")
    return tuple(modules)


@lru_cache(maxsize=256)  # a file is called once for each answer, and its imports are rewritten only once
def _module(source: str, path: str, links: tuple[tuple[str, str], ...]) -> Module:
    if is_typescript(path):
        raise CannotEvaluate(f"{path}: TypeScript does not run in the embedded engine")
    return Module(path, source if path.endswith(".json") else to_commonjs(source), links)


def _links(source: str, path: str, texts: dict[str, str], read: Callable[[str], str]) -> list[tuple[str, str]]:
    names = {found[2] for found in _REQUIRE.finditer(source)}
    names |= {found[3] for found in _IMPORT.finditer(source)} | {found[2] for found in _IMPORT_EFFECT.finditer(source)}
    links = []
    for name in sorted(name for name in names if name.startswith(".")):
        target = _find(posixpath.normpath(posixpath.join(posixpath.dirname(path), name)), texts, read)
        if target:
            links.append((name, target))
    return links


def _find(path: str, texts: dict[str, str], read: Callable[[str], str]) -> str | None:
    """Return the path that exists for a required name; put its text into `texts`."""
    for candidate in (path, f"{path}.js", f"{path}.cjs", f"{path}.mjs", f"{path}.json", f"{path}/index.js"):
        if candidate in texts:
            return candidate
        try:
            texts[candidate] = read(candidate)
        except InputError:
            continue
        return candidate
    return None


@lru_cache(maxsize=256)  # as above
def to_commonjs(source: str) -> str:
    """Return the source with `import` and `export` statements replaced; other text is untouched.

    It finds only statements at the beginning of a line, where people and formatters write them.
    """
    if source.startswith("#!"):
        source = "//" + source
    exports: list[tuple[str, str]] = []

    def declaration(found: re.Match[str]) -> str:
        exports.append((found[3], found[3]))
        return f"{found[1]}{found[2]}{found[3]}"

    def export_list(found: re.Match[str]) -> str:
        for item in filter(None, (part.strip() for part in found[1].split(","))):
            local, _, public = item.partition(" as ")
            exports.append((public.strip() or local.strip(), local.strip()))
        return ""

    text = _IMPORT.sub(_import, source)
    text = _IMPORT_EFFECT.sub(lambda found: f"require({json.dumps(found[2])});", text)
    text = _EXPORT_DEFAULT.sub("exports.default = ", text)
    text = _EXPORT_DECLARATION.sub(declaration, text)
    text = _EXPORT_LIST.sub(export_list, text)
    return text + "".join(f"\nexports[{json.dumps(public)}] = {local};" for public, local in exports)


def _import(found: re.Match[str]) -> str:
    clause, module = found[1].strip(), f"require({json.dumps(found[3])})"
    lines = []
    braces = re.search(r"\{([^}]*)\}", clause)
    if braces:
        names = re.sub(r"\s+as\s+", ": ", braces[1])
        lines.append(f"const {{{names}}} = {module};")
    outside = re.sub(r"\{[^}]*\}", "", clause)
    for part in filter(None, (item.strip() for item in outside.split(","))):
        if part.startswith("*"):
            lines.append(f"const {part.split()[-1]} = {module};")
        else:
            lines.append(f"const {part} = ((m) => m && m.default !== undefined ? m.default : m)({module});")
    return " ".join(lines)
