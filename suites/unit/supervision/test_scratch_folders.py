import os
import socket

import pytest

from evolve.supervision.scratch import delete_files, is_this_machine


def test_files_below_are_deleted_and_folders_and_links_stay(tmp_path):
    scratch, outside = tmp_path / "scratch", tmp_path / "outside"
    (scratch / "deep" / "deeper").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (scratch / "one").write_bytes(b"x" * 1000)
    (scratch / "deep" / "deeper" / "two").write_bytes(b"x" * 500)
    (scratch / "link").symlink_to(outside / "kept")
    (scratch / "deep" / "folder").symlink_to(outside, target_is_directory=True)
    os.mkfifo(scratch / "pipe")
    assert delete_files([str(scratch)]) == 1500
    assert (outside / "kept").read_text() == "kept"
    left = sorted(path.name for path in scratch.rglob("*"))
    assert left == ["deep", "deeper", "folder", "link", "pipe"]


def test_a_file_with_another_name_frees_nothing(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "other").write_bytes(b"x" * 100)
    os.link(tmp_path / "other", tmp_path / "scratch" / "one")
    assert delete_files([str(tmp_path / "scratch")]) == 0
    assert (tmp_path / "other").exists()


@pytest.mark.parametrize("path", ["/", "/tmp", "/does/not/exist"])
def test_a_folder_near_the_root_or_none_is_refused(path):
    with pytest.raises(OSError, match=r"root|No such file"):
        delete_files([path])


def test_a_folder_that_is_reached_through_a_link_is_refused(tmp_path):
    (tmp_path / "real" / "scratch").mkdir(parents=True)
    (tmp_path / "real" / "scratch" / "one").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="link"):
        delete_files([str(tmp_path / "link" / "scratch")])
    assert (tmp_path / "real" / "scratch" / "one").exists()


HERE = {"unique.hostname": socket.gethostname().upper(), "unique.network.ip-address": "127.0.0.1"}


def test_a_node_with_our_name_and_address_is_this_machine():
    assert is_this_machine({"Attributes": HERE})
    assert is_this_machine({"Attributes": {**HERE, "unique.network.ip-address": ""}, "HTTPAddr": "127.0.0.1:4646"})


@pytest.mark.parametrize(
    "node",
    [
        None,
        {},
        {"Attributes": None, "Name": socket.gethostname()},
        {"Attributes": {**HERE, "unique.hostname": "other"}},
        *(
            {"Attributes": {**HERE, "unique.network.ip-address": one}}
            for one in ("", "192.0.2.1", "0.0.0.0", "::", "x")
        ),
    ],
)
def test_any_other_node_is_not(node):
    assert not is_this_machine(node)
