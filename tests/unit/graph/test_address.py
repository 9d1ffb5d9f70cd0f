"""Where a bearer token may go: what a person types and what an answer links to, below one Graph or nowhere."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pillarbox.core.errors import Forbidden, InvalidInput
from pillarbox.graph.address import Root, encoded

GRAPH = "https://graph.contoso.example"
ROOT = Root(GRAPH)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/me", "/v1.0/me"),
        ("me/messages", "/v1.0/me/messages"),
        (" /me ", "/v1.0/me"),
        ("/users/a@contoso.example/messages", "/v1.0/users/a@contoso.example/messages"),
        ("/users('a')/messages", "/v1.0/users('a')/messages"),
        ("/me/messages?$top=5&$select=subject", "/v1.0/me/messages?$top=5&$select=subject"),
        ("/me/messages?$filter=subject eq 'x?y'", "/v1.0/me/messages?$filter=subject%20eq%20'x?y'"),
        ("/me/messages?$filter=subject eq 'a#b'", "/v1.0/me/messages?$filter=subject%20eq%20'a%23b'"),
        ("/users/\u00fc@contoso.example", "/v1.0/users/%C3%BC@contoso.example"),
        ('/me/messages?$search="\u6536\u64da"', "/v1.0/me/messages?$search=%22%E6%94%B6%E6%93%9A%22"),
        ("/users/a%2Fb", "/v1.0/users/a%2Fb"),
        ("/me?$filter=a eq '100%'", "/v1.0/me?$filter=a%20eq%20'100%25'"),
        ("/me?next=//evil.example/../x", "/v1.0/me?next=//evil.example/../x"),
        ("@evil.example", "/v1.0/@evil.example"),
        (":1/", "/v1.0/:1/"),
        ("evil.example", "/v1.0/evil.example"),
        ("/v1.0/users/a@contoso.example", "/v1.0/users/a@contoso.example"),
        ("beta/users?$top=1", "/beta/users?$top=1"),
        ("/v1.0", "/v1.0"),
        ("/v1.0x/me", "/v1.0/v1.0x/me"),
        ("/me/beta", "/v1.0/me/beta"),
    ],
)
def test_a_path_is_sent_as_it_is_meant(path: str, sent: str) -> None:
    assert str(ROOT.address(path, "v1.0")) == GRAPH + sent


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/me//messages",
        "/../x",
        "/users/../../x",
        "/users/./x",
        "/users/%2e%2e/x",
        "/users/.%2E",
        "\\\\evil.example",
        "/users\\..\\x",
        "/me\r\nX-Injected: 1",
        "/me\n",
        "/me?a=\r\nb",
        "/me\x00",
        "/me\x85",
        "/me\udc80",
        "https:/\\evil.example",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ROOT.below(path, "v1.0")
    assert caught.value.code == "graph.bad_path"
    assert caught.value.sentence.isprintable()


@pytest.mark.parametrize(
    "rest", ["/v1.0/me/messages?$skiptoken=a%2Fb%3D&$top=2", "/beta/users/x/messages?$skip=10", "/v1.0/users('x')"]
)
def test_a_link_of_our_graph_is_followed_unchanged(rest: str) -> None:
    assert str(ROOT.address(GRAPH + rest, "v1.0")) == GRAPH + rest


def test_a_link_may_write_out_the_usual_port() -> None:
    assert str(ROOT.address(f"{GRAPH}:443/v1.0/me", "beta")) == f"{GRAPH}/v1.0/me"


FOREIGN = [
    "http://graph.contoso.example/v1.0/me",
    "https://evil.example/v1.0/me",
    "https://graph.contoso.example.evil.example/v1.0/me",
    "https://evil.example/graph.contoso.example/v1.0/me",
    "https://graph.contoso.example@evil.example/v1.0/me",
    "https://evil.example@graph.contoso.example/v1.0/me",
    "https://graph.contoso.example:444/v1.0/me",
    "https://graph.contoso.example:99999/v1.0/me",
    "https://graph.contoso.example:x/v1.0/me",
    "https://graph.contoso.example\\@evil.example/v1.0/me",
    "https://graph.contoso.example/v1.0\t/me",
    "https://evil.example#@graph.contoso.example/v1.0/me",
    "https://evil.example?@graph.contoso.example/v1.0/me",
    "https://[::1/v1.0/me",
    "https:///v1.0/me",
    "ftp://graph.contoso.example/v1.0/me",
    "https://graph.contoso.example/v2.0/me",
    "https://graph.contoso.example/v1.0evil/me",
    "https://graph.contoso.example/me",
    "https://graph.contoso.example",
    "https://graph.contoso.example/v1.0/../oauth/me",
    "https://graph.contoso.example/v1.0/%2e%2e/me",
    "https://graph.contoso.example//v1.0/me",
]


@pytest.mark.parametrize("link", FOREIGN)
def test_a_foreign_link_is_refused(link: str) -> None:
    with pytest.raises(Forbidden) as caught:
        ROOT.linked(link)
    assert caught.value.code == "graph.foreign_link"


@pytest.mark.parametrize("link", ["/v1.0/me", "//evil.example/v1.0/me", "v1.0/me", "me", ""])
def test_a_link_is_a_whole_address(link: str) -> None:
    with pytest.raises(Forbidden):
        ROOT.linked(link)


def test_what_opens_a_page_is_not_told() -> None:
    with pytest.raises(Forbidden) as caught:
        ROOT.linked("https://evil.example/v1.0/me?$skiptoken=hidden")
    assert "hidden" not in caught.value.sentence
    assert "https://evil.example/v1.0/me" in caught.value.sentence


def test_a_graph_below_a_path_keeps_it() -> None:
    root = Root("https://proxy.contoso.example/graph/")
    assert str(root.address("/me", "v1.0")) == "https://proxy.contoso.example/graph/v1.0/me"
    link = "https://proxy.contoso.example/graph/v1.0/me?a=b"
    assert str(root.address(link, "v1.0")) == link
    with pytest.raises(Forbidden):
        root.address("https://proxy.contoso.example/v1.0/me", "v1.0")


@given(st.text())
@example("beta")
@example("v1.0?x")
def test_whatever_is_typed_or_linked_stays_below_our_graph(text: str) -> None:
    for made in (text, f"{GRAPH}{text}", f"https://{text}", f"/{text}"):
        try:
            parts = urlsplit(str(ROOT.address(made, "v1.0")))
        except (InvalidInput, Forbidden):
            continue
        assert (parts.scheme, parts.netloc) == ("https", "graph.contoso.example")
        # A version alone is its root, the list of what there is.
        assert f"{parts.path}/".startswith(("/v1.0/", "/beta/"))
        assert not {"..", "."} & set(parts.path.split("/"))
        assert str(parts.geturl()).isascii()


@given(st.text(st.characters(exclude_characters="\\", exclude_categories=["Cc", "Cs"])))
def test_what_is_encoded_is_not_encoded_again(text: str) -> None:
    try:
        once = encoded(text)
    except InvalidInput:
        return
    assert encoded(once) == once
