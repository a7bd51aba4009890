import os

import pytest

from evolve.core.model.errors import InputError
from pipecatapp.gateway.keys import Keys, hash_of, make_key, read_keys
from pipecatapp.wire.openai import ApiError


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    # The next look must see another time, however coarse the file system's clock is.
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + len(lines) + 1))


def test_a_key_is_known_by_its_hash_alone(tmp_path):
    made = make_key("alice")
    assert made.key not in made.line
    assert made.line == f"alice: {hash_of(made.key)}"
    write(tmp_path / "keys", "# people", "", made.line)
    keys = Keys(tmp_path / "keys")
    assert keys.name_of(f"Bearer {made.key}") == "alice"
    assert keys.name_of(f"bearer  {made.key} ") == "alice"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer nope", "Bearer \udc80", "nope"])
def test_any_other_is_refused(tmp_path, header):
    write(tmp_path / "keys", make_key("alice").line)
    with pytest.raises(ApiError) as error:
        Keys(tmp_path / "keys").name_of(header)
    assert (error.value.status, error.value.code) == (401, "invalid_api_key")
    assert error.value.headers == {"www-authenticate": "Bearer"}


def test_the_hash_is_no_key(tmp_path):
    made = make_key("alice")
    write(tmp_path / "keys", made.line)
    with pytest.raises(ApiError):
        Keys(tmp_path / "keys").name_of(f"Bearer {hash_of(made.key)}")


def test_the_file_is_read_again_when_it_changes(tmp_path):
    clock = Clock()
    alice, bob = make_key("alice"), make_key("bob")
    write(tmp_path / "keys", alice.line)
    keys = Keys(tmp_path / "keys", clock)
    write(tmp_path / "keys", bob.line, "")
    assert keys.name_of(f"Bearer {alice.key}") == "alice"
    clock.now = 1.0
    assert keys.name_of(f"Bearer {bob.key}") == "bob"
    with pytest.raises(ApiError):
        keys.name_of(f"Bearer {alice.key}")


def test_a_change_for_the_worse_is_noted_and_the_keys_before_it_stay(tmp_path):
    clock = Clock()
    alice = make_key("alice")
    write(tmp_path / "keys", alice.line)
    keys = Keys(tmp_path / "keys", clock)
    write(tmp_path / "keys", alice.line, "broken", "")
    clock.now = 1.0
    assert keys.name_of(f"Bearer {alice.key}") == "alice"
    assert "keys:2: expected NAME: SHA-256 in hex" in keys.problem
    (tmp_path / "keys").unlink()
    clock.now = 2.0
    assert keys.name_of(f"Bearer {alice.key}") == "alice"
    assert "No such file" in keys.problem
    write(tmp_path / "keys", alice.line)
    clock.now = 3.0
    assert keys.name_of(f"Bearer {alice.key}") == "alice"
    assert keys.problem == ""


def test_every_wrong_line_is_named_and_none_is_shown(tmp_path):
    line = make_key("alice").line
    write(tmp_path / "keys", line, "bob: 12", "a key that somebody pasted", line)
    with pytest.raises(InputError) as error:
        read_keys(tmp_path / "keys")
    assert [problem.where.line for problem in error.value.problems if problem.where] == [2, 3, 4]
    assert "pasted" not in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "-a", "a" * 65, "ä"])
def test_a_name_that_does_not_fit_is_refused(name):
    with pytest.raises(InputError):
        make_key(name)


def test_without_a_file_everybody_is_anonymous():
    assert Keys(None).name_of("") == "anonymous"
