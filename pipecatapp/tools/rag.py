"""The tool `rag`: a search of the user's own documents."""

from typing import Final

from evolve.core.text.did_you_mean import did_you_mean
from pipecatapp.core.ports import Risk, ToolReason
from pipecatapp.tools.context import ToolContext
from pipecatapp.tools.rag_index import DocumentIndex, Passage
from pipecatapp.tools.registry import Arguments, ToolProblem, text_of, tool
from pipecatapp.tools.threads import Stop, in_thread

_SHOWN: Final = 5
"""Passages of an answer."""


@tool(
    "rag",
    {
        "required": ["query"],
        "properties": {
            "query": {"type": "string", "minLength": 1, "description": "Words to look for."},
            "folder": {"type": "string", "description": "Name of the only folder that is searched."},
        },
    },
    risk=Risk.READ,
    timeout_s=60,
)
async def rag(arguments: Arguments, context: ToolContext) -> str:
    """Search the user's own documents and notes, and show the passages that fit, each with its file and line."""
    config = context.config.documents
    if config is None:
        raise ToolProblem(ToolReason.NOT_CONFIGURED, "no folder of documents is configured: set tools.rag")
    query, folder = text_of(arguments, "query"), text_of(arguments, "folder")
    if folder and folder not in config.folders:
        hint = did_you_mean(folder, config.folders) or f"known: {', '.join(config.folders)}"
        raise ToolProblem(ToolReason.REFUSED, f"no folder {folder!r} is configured ({hint})")

    def work(stop: Stop) -> str:
        index = DocumentIndex(config.index)
        try:
            index.update(config.folders, stop)
            found = index.search(query, folder, _SHOWN)
        finally:
            index.close()
        return "\n\n".join(map(_shown, found)) or "no document has any of these words"

    return await in_thread(work)


def _shown(passage: Passage) -> str:
    return f"{passage.folder}/{passage.name}:{passage.line}\n{passage.text}"
