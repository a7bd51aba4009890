"""One build of an image, whose failure shows the end of its log."""

from typing import Any, Final

from evolve.core.model.errors import DockerFault
from evolve.infra.engine.docker_engine import DockerEngine

TIMEOUT_S: Final = 900
"""How long one step of a build may be silent; the longest one downloads packages over a slow line."""
_LOG_LINES: Final = 15
"""How much of a failed build's log a message shows; the reason is at its end."""


def build_image(engine: DockerEngine, tag: str, **options: Any) -> None:
    """Build an image; the tag is set only when all steps are done.

    Raises:
        DockerFault: a step failed, or the engine.
    """
    import docker

    with engine.map_docker_faults(f"build {tag}"):
        try:
            engine.client.images.build(tag=tag, rm=True, forcerm=True, timeout=TIMEOUT_S, **options)
        except docker.errors.BuildError as exc:
            log = "".join(str(entry.get("stream", "")) for entry in exc.build_log).splitlines()[-_LOG_LINES:]
            raise DockerFault(f"build {tag}: {exc.msg}\n" + "\n".join(log)) from exc
