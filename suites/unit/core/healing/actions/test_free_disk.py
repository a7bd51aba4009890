from dataclasses import replace

import pytest

from evolve.core.healing.planning import plan_action
from evolve.core.model.healing import HEALING_META, EmptyFolders, Refused
from fixtures.healing_contexts import FAILED, RULE, context

PATHS = ("/srv/app/tmp", "/srv/app/cache", "/srv/other/tmp")
DECLARED = replace(RULE, scratch_paths=PATHS)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/srv/app/tmp", ("/srv/app/tmp",)),
        ("/srv/app/tmp/", ("/srv/app/tmp",)),
        ("/srv/app/tmp/deep/file", ("/srv/app/tmp",)),
        ("/srv/app", ("/srv/app/cache", "/srv/app/tmp")),
        ("/", ("/srv/app/cache", "/srv/app/tmp", "/srv/other/tmp")),
        (None, ("/srv/app/cache", "/srv/app/tmp", "/srv/other/tmp")),
        ("/srv/app/tmpx", None),
        ("/etc", None),
        ("/srv/app/tmp/../../../etc", None),
        ("srv/app/tmp", None),
    ],
)
def test_only_declared_folders_are_emptied(path, expected):
    planned = plan_action(context("free_disk", None if path is None else {"path": path}, rule=DECLARED))
    if expected is None:
        assert isinstance(planned, Refused)
        assert planned.reason.startswith("not allowed: no scratch path")
    else:
        assert isinstance(planned, EmptyFolders)
        assert planned.paths == expected
        assert planned.then.touched == (f"Meta[{HEALING_META}]",)


@pytest.mark.parametrize("folder", ["/", "/var", "//srv/tmp", "/srv/../etc", "tmp/x", "", "/srv/.."])
def test_a_rule_made_by_hand_declares_no_folder_of_the_root(folder):
    planned = plan_action(context("free_disk", rule=replace(RULE, scratch_paths=(folder,))))
    assert isinstance(planned, Refused)


def test_without_a_node_nothing_is_emptied():
    assert isinstance(plan_action(context("free_disk", rule=DECLARED, failed=replace(FAILED, node=""))), Refused)
