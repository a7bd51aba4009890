"""MkDocs hooks that build the site from the repository's own files, at their own paths.

A page keeps its path (`README.md`, `docs/suites.md`), so a relative link means the same on a forge and on the site.
What a page links to and is no page itself, such as a YAML file, is copied next to it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(\]\()([^()\s]+)(\))")
_LOADED_FROM_ELSEWHERE = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'\s>]*", re.I)
_STYLE_FROM_ELSEWHERE = re.compile(r"<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^\"'\s>]*", re.I)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the patterns of `nav`, and make the ids of headings as forges do."""
    config.nav = _with_patterns_filled(config.nav)
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every page that `nav` names, and the files that those pages link to."""
    pages = [path for path in _paths(config.nav) if (ROOT / path).is_file()]
    # All of docs/, so that a page which `nav` forgets is a warning and so an error.
    pages += [path for path in _docs_pages() if path not in pages]
    linked = {target for page in pages for target in _linked_files(ROOT / page)}
    for path in pages:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for path in sorted(linked.difference(pages)):
        file = File.generated(config, path, abs_src_path=str(ROOT / path), inclusion=InclusionLevel.NOT_IN_NAV)
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return the page's text with links to a folder leading to that folder's page, as on a forge."""

    def lead(found: re.Match[str]) -> str:
        target = _target(ROOT / page.file.src_uri, found[2])
        is_folder = target is not None and (target / "README.md").is_file()
        return f"{found[1]}{found[2].rstrip('/')}/README.md{found[3]}" if is_folder else found[0]

    return _LINK.sub(lead, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Raise PluginError when a built page would load anything from another host."""
    problems = [
        f"{path.relative_to(config.site_dir)}: {found[0]}"
        for path in sorted(Path(config.site_dir).rglob("*.html"))
        for pattern in (_LOADED_FROM_ELSEWHERE, _STYLE_FROM_ELSEWHERE)
        for found in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    if problems:
        raise PluginError("the site must work without a network:\n" + "\n".join(problems))


def _with_patterns_filled(nav: Any) -> Any:
    if isinstance(nav, dict):
        return {title: _with_patterns_filled(part) for title, part in nav.items()}
    if isinstance(nav, list):
        return [filled for part in nav for filled in _filled(part)]
    return nav


def _filled(part: Any) -> list[Any]:
    if isinstance(part, str) and "*" in part:
        return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(part))
    return [_with_patterns_filled(part)]


def _paths(nav: Any) -> Iterator[str]:
    """Yield the paths in `nav`, in order."""
    if isinstance(nav, str):
        yield nav
    elif nav:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _paths(part)


def _docs_pages() -> list[str]:
    """Return the paths of all pages in docs/."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))


def _linked_files(page: Path) -> Iterator[str]:
    """Yield the paths of the repository's files that a page links to."""
    for found in _LINK.finditer(page.read_text(encoding="utf-8")):
        target = _target(page, found[2])
        if target is not None and target.is_file():
            yield str(target.relative_to(ROOT))


def _target(page: Path, link: str) -> Path | None:
    """Return the file or folder of this repository that a link leads to; None for any other link."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return None
    target = (page.parent / unquote(parts.path)).resolve()
    return target if target.is_relative_to(ROOT) and target.exists() else None
