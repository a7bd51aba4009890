"""The command for people where gateway or agent is a container: which files it sees, under which names."""

import os
import subprocess

import pytest

from fixtures.role_templates import ROLES, render

IMAGE = "registry.test/anneal-gateway@sha256:0"
ETC = "/etc/moe-gateway"


@pytest.fixture
def asked(tmp_path):
    """What `docker` is asked by the command in a folder."""
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    text = render(
        ROLES / "common",
        "app_command.sh.j2",
        {
            "ansible_managed": "",
            "common_app": {"program": "moe-gateway", "prefix": "moe_gateway", "image": IMAGE},
            "_common_app_config_path": f"{ETC}/gateway.yaml",
            "_common_app_needs_wheel": False,
            "_common_app_etc": ETC,
        },
    )
    command = tmp_path / "moe-gateway"
    command.write_text(text)
    environment = {**os.environ, "PATH": f"{docker.parent}:{os.environ['PATH']}"}

    def run(*arguments, folder):
        done = subprocess.run(
            ["sh", str(command), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        before, _, after = done.stdout.partition(f"{IMAGE}\n")
        words = before.splitlines()
        volumes = {words[index + 1] for index, word in enumerate(words) if word == "--volume"}
        return volumes, after.splitlines()

    return run


def test_a_relative_name_is_the_whole_one_in_the_container_with_its_folder(asked, tmp_path):
    folder = tmp_path / "two words"
    folder.mkdir()
    (folder / "gateway.yaml").touch()
    (folder / "other.yaml").touch()
    own = f"{folder}:{folder}:ro"
    volumes, arguments = asked("check", "gateway.yaml", folder=folder)
    assert (volumes, arguments) == ({own, f"{ETC}:{ETC}:ro"}, ["check", f"{folder}/gateway.yaml"])
    volumes, arguments = asked("check", "./two words/gateway.yaml", "two words/other.yaml", folder=tmp_path)
    assert volumes == {own, f"{ETC}:{ETC}:ro"}
    assert arguments == ["check", f"{folder}/gateway.yaml", f"{folder}/other.yaml"]


def test_what_is_no_file_stays_as_it_is(asked, tmp_path):
    assert asked("key", "alice smith", folder=tmp_path) == ({f"{ETC}:{ETC}:ro"}, ["key", "alice smith"])
