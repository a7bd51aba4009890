"""Credentials never reach a message."""

from hypothesis import given
from hypothesis import strategies as st

from evolve.system.credentials import safe_url, scrub, secret_headers

SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/?#@:%&=[]\\*"), min_size=8, max_size=40
)


NAMES = st.sampled_from(["api_key", "token", "access-token", "sig", "X-Api-Key", "password", "pass", "private_id"])


@given(SECRETS, NAMES)
def test_a_shown_url_has_no_login_and_no_secret_parameters(secret: str, name: str) -> None:
    shown = safe_url(f"https://{secret}:{secret}@host:8443/path?a=1&{name}={secret}&b=2")
    assert shown == f"https://host:8443/path?a=1&{name}=***&b=2"


@given(SECRETS, st.text(max_size=60), st.text(max_size=60))
def test_secret_headers_are_scrubbed_whole_and_without_their_scheme(secret: str, before: str, after: str) -> None:
    secrets = secret_headers({"Authorization": f"Bearer {secret}", "Accept": "text/html"})
    shown = scrub(f"{before}{secret}{after}", secrets)
    assert secret not in shown or secret in (before + after)


@given(st.text())
def test_any_url_can_be_shown(text: str) -> None:
    assert isinstance(safe_url(text), str)
