"""Where the samples of the lint's rules are, and how the lint is given them."""

import shutil
from pathlib import Path

SAMPLES = Path(__file__).parent / "samples"


def placed(sample: Path, target: Path) -> Path:
    """A sample as the lint is given it: a file of tasks or a folder as the role `app`, or a whole repository."""
    if sample.is_file():
        (target / "roles/app/tasks").mkdir(parents=True)
        shutil.copy(sample, target / "roles/app/tasks/main.yml")
        return target / "roles/app"
    is_repository = (sample / "roles").is_dir()
    place = target / "repository" if is_repository else target / "roles/app"
    shutil.copytree(sample, place)
    return place
