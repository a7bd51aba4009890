"""The image that hosts start from: one per release."""

from evolve.infra.docker_engine import DockerEngine

NAME = "anneal-host"


def ensure(engine: DockerEngine, release: str) -> str:
    """The tag of the release's image.

    Raises:
        EnvironmentFault: the engine has none; says how to build it.
    """
    tag = f"{NAME}:{release}"
    with engine.doing(f"look for image {tag}"):
        engine.client.images.get(tag)
    return tag
