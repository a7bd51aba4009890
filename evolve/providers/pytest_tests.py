"""Runs the user's own pytest tests, for the assertion type `pytest`."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from typing import ClassVar

from evolve.core.model.errors import ProcessFault

_TAIL_LINES = 15
"""Enough for the failed assertion and pytest's summary of one test."""
_TIMEOUT_S = 600.0
"""A test may start services, but one that hangs must not hold up the run."""
_PASSED, _INTERNAL, _USAGE, _NONE = 0, 3, 4, 5
"""pytest's exit codes."""


class PytestTests:
    """Implements `evolve.core.model.ports.TestRunner`: each test in a separate process, in the suite's folder.

    Args:
        base_dir: node ids are relative to it.
        env: the environment of the tests; the assertion's variables are added to it.
        timeout_s: limit for one test.
        at_once: how many tests run at the same time; a test may be heavy.
    """

    __test__: ClassVar[bool] = False

    def __init__(
        self, base_dir: str, env: Mapping[str, str], *, timeout_s: float = _TIMEOUT_S, at_once: int = 2
    ) -> None:
        self._base_dir = base_dir
        self._env = dict(env)
        self._timeout_s = timeout_s
        self._at_once = at_once
        self._gate: asyncio.Semaphore | None = None

    async def run(self, node_id: str, environment: Mapping[str, str]) -> tuple[bool, str]:
        """Return whether the test passed, and the last lines of its output. A crashed test did not pass.

        Raises:
            ProcessFault: there is no such test, pytest is missing, or the time limit is reached.
        """
        self._gate = self._gate or asyncio.Semaphore(self._at_once)
        async with self._gate:
            code, output = await self._run(node_id, environment)
        tail = "\n".join(output.splitlines()[-_TAIL_LINES:])
        if code in (_USAGE, _NONE, _INTERNAL) or "No module named pytest" in tail:
            hint = "type: pip install pytest" if "No module named pytest" in tail else "name it as FILE.py::TEST"
            text = f"pytest cannot run {node_id!r} in {self._base_dir} (exit code {code}):\n{tail}"
            raise ProcessFault(text, command=f"pytest {node_id}", code=code, hint=hint)
        return code == _PASSED, tail

    async def _run(self, node_id: str, environment: Mapping[str, str]) -> tuple[int, str]:
        # No pytest cache: several runs in one folder would overwrite each other's.
        command = [sys.executable, "-m", "pytest", node_id, "-q", "-p", "no:cacheprovider", "--color=no"]
        env = {key: value for key, value in self._env.items() if not key.startswith("PYTEST_")}
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self._base_dir,
            env={**env, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                output, _ = await process.communicate()
        except TimeoutError as exc:
            text = f"the test {node_id!r} ran longer than {self._timeout_s:g} s"
            raise ProcessFault(text, command=f"pytest {node_id}") from exc
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return process.returncode or 0, output.decode("utf-8", "replace")
