"""All tools, in the order of TWIN_AGENT's list."""

import os
from collections.abc import Mapping
from typing import Final

from pipecatapp.tools.code_runner import code_runner
from pipecatapp.tools.config import ToolsConfig
from pipecatapp.tools.context import StatusSource, ToolContext, no_rows
from pipecatapp.tools.ha import ha
from pipecatapp.tools.mcp import mcp
from pipecatapp.tools.project_mapper import project_mapper
from pipecatapp.tools.rag import rag
from pipecatapp.tools.registry import Tool
from pipecatapp.tools.ssh import ssh
from pipecatapp.tools.toolbox import CheckedToolbox
from pipecatapp.tools.vision import vision
from pipecatapp.tools.web_browser import web_browser

ALL_TOOLS: Final[tuple[Tool, ...]] = (mcp, project_mapper, vision, ssh, web_browser, code_runner, ha, rag)


def make_toolbox(
    config: ToolsConfig, status: StatusSource = no_rows, env: Mapping[str, str] = os.environ
) -> CheckedToolbox:
    """Return the toolbox with all tools.

    Args:
        config: their settings; a tool without its own says that it is not configured.
        status: of the components, for `mcp`.
        env: the process's variables, whose secrets are masked in outputs.
    """
    return CheckedToolbox(ALL_TOOLS, ToolContext(config, status), env=env)
