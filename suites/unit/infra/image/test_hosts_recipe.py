from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evolve.core.model.errors import InputError
from evolve.infra.image import apt_sources, base_filesystem, base_recipe
from evolve.infra.image.base_recipe import RELEASES, Release
from fixtures.loopback_server import serving

DEB822 = """\
Types: deb
# URIs: http://commented.invalid
URIs: http://one.invalid/debian/ https://two.invalid/debian
Suites: bookworm
Components: main

Types: deb
URIs:
 http://three.invalid/debian
Suites: bookworm-security
"""
ONE_LINE = """\
# deb http://commented.invalid bookworm main
deb [signed-by=/usr/share/keyrings/a.gpg] http://four.invalid/debian bookworm main
deb-src http://source.invalid/debian bookworm main
deb http://one.invalid/debian bookworm main
deb cdrom:[Debian]/ bookworm main
"""


def test_both_formats_of_apt_sources_name_their_addresses_once():
    uris = apt_sources.source_uris([DEB822, ONE_LINE])
    assert uris == [
        "http://one.invalid/debian",
        "https://two.invalid/debian",
        "http://three.invalid/debian",
        "http://four.invalid/debian",
    ]


def test_a_machine_without_apt_has_no_addresses(tmp_path: Path):
    assert apt_sources.machine_uris(tmp_path) == []


ARCHIVE = {
    "/debian/dists/bookworm/InRelease": "Debian",
    "/debian/dists/bookworm-updates/InRelease": "Debian",
    "/vendor/dists/bookworm/InRelease": "Vendor",
}


class _Archive(BaseHTTPRequestHandler):
    """An archive with Debian's release and its updates, and a vendor's suite of the same name elsewhere."""

    def do_GET(self) -> None:
        origin = ARCHIVE.get(self.path)
        self.send_response(200 if origin else 404)
        self.end_headers()
        if origin:
            self.wfile.write(f"-----BEGIN PGP SIGNED MESSAGE-----\nOrigin: {origin}\nLabel: x\n".encode())

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def archive() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Archive)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_release_is_taken_from_debians_archive_with_the_suites_that_are_there(archive: str):
    lines = apt_sources.source_lines("bookworm", [f"{archive}/vendor", f"{archive}/debian"])
    assert lines == [f"deb {archive}/debian bookworm main", f"deb {archive}/debian bookworm-updates main"]


def test_without_the_release_itself_nothing_is_taken(archive: str):
    assert apt_sources.source_lines("bullseye", [f"{archive}/debian"]) == []


def test_an_unknown_release_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"unknown release 'bokworm' \(did you mean 'bookworm'"):
        base_recipe.release_named("bokworm")
    with pytest.raises(InputError, match="known: bookworm, bullseye, trixie"):
        base_recipe.release_named("jammy-jellyfish")


def test_a_systemd_that_refuses_cgroup_v1_is_known_before_anything_is_built():
    assert "257 refuses to boot with cgroup v1" in RELEASES["trixie"].why_not(1)
    assert RELEASES["trixie"].why_not(2) == ""
    assert RELEASES["bookworm"].why_not(1) == ""


def test_each_release_has_a_key_of_its_own_that_stays():
    keys = {base_recipe.key(release) for release in RELEASES.values()}
    assert len(keys) == len(RELEASES)
    assert base_recipe.key(RELEASES["bookworm"]) == base_recipe.key(Release("bookworm", 252))


def test_the_days_date_is_not_part_of_the_key_but_of_the_image():
    release = RELEASES["bookworm"]
    today, tomorrow = (base_recipe.finish_dockerfile("base", release, day) for day in (1_000, 90_000))
    assert today != tomorrow
    assert "anneal.lists=90000" in tomorrow


def test_without_an_archive_that_holds_the_release_the_program_takes_its_own_default(tmp_path: Path):
    assert base_filesystem.mmdebstrap_command("trixie", tmp_path / "a.tar", [])[-2:] == ["trixie", f"{tmp_path}/a.tar"]
    assert base_filesystem.debootstrap_command("trixie", tmp_path, [])[-1] == str(tmp_path)
    line = "deb http://one.invalid/debian trixie main"
    assert base_filesystem.mmdebstrap_command("trixie", tmp_path / "a.tar", [line])[-1] == line
    assert base_filesystem.debootstrap_command("trixie", tmp_path, [line])[-1] == "http://one.invalid/debian"
