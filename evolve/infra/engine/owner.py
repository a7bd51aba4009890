"""What marks containers, networks, images and volumes as a process's own, and the reaper that removes them after it."""

import os
import subprocess
import sys

from evolve.core.model.errors import ProcessFault
from evolve.system.process_owner import Owner

LABEL_OWNER = "anneal.owner"
LABEL_LAB = "anneal.lab"


def labels_of(owner: Owner, lab: str) -> dict[str, str]:
    """Return the labels for everything that the owner makes in a lab."""
    return {LABEL_OWNER: str(owner), LABEL_LAB: lab}


def watch(owner: Owner, url: str) -> int:
    """Start the reaper, which removes what the owner owns at `url` once it has ended.

    Returns:
        The end of a pipe; its closing shows the reaper that the owner has ended. Keep it open until then.

    Raises:
        ProcessFault: it did not start.
    """
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "evolve.infra.engine.reaper", url, str(owner)]
    try:
        subprocess.run(command, stdin=read_end, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    except subprocess.CalledProcessError as exc:
        os.close(write_end)
        text = f"the reaper of containers did not start: {exc.stderr.decode(errors='replace').strip()}"
        raise ProcessFault(text, command=" ".join(command[:3]), code=exc.returncode) from exc
    finally:
        os.close(read_end)
    return write_end
