"""The OpenAPI document says all of every route, and the page to read says the same."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from pillarbox.endpoints.api.openapi import PREFIX
from pillarbox.endpoints.api.reference_page import caller_words, page
from tests.conftest import House, MakeHouse
from tests.unit.endpoints.test_conventions import call


@pytest.fixture
async def document(make_house: MakeHouse) -> Any:
    """The document."""
    return (await make_house(start=False)).gateway.api.openapi()


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    """Every operation, with its method and path."""
    for path, methods in document["paths"].items():
        yield from ((f"{method.upper()} {path}", operation) for method, operation in methods.items())


async def test_it_has_every_route(make_house: MakeHouse) -> None:
    api = (await make_house(start=False)).gateway.api
    found = [route for route in api.routes if isinstance(route, APIRoute)]
    routes = {f"{method} {route.path}" for route in found for method in route.methods or ()}
    assert {where for where, _ in operations(api.openapi())} == routes
    assert len(routes) > 50


async def test_a_member_of_a_body_is_taken_as_the_type_that_it_has_there_alone(make_house: MakeHouse) -> None:
    api = (await make_house(start=False)).gateway.api
    bodies = [route.body_field for route in api.routes if isinstance(route, APIRoute) and route.body_field is not None]
    models = {body.field_info.annotation for body in bodies}
    tried, taken = 0, []
    for model in models:
        if not isinstance(model, type) or not issubclass(model, BaseModel):
            continue
        for name, member in model.model_json_schema()["properties"].items():
            types = {one.get("type") for one in (member, *member.get("anyOf", ()))}
            if not types & {"boolean", "integer", "number"} or "string" in types:
                continue
            for wrong in ("1", 1 if "boolean" in types else True):
                tried += 1
                try:
                    model.model_validate({name: wrong})
                except ValidationError as error:
                    if any(flaw["loc"][0] == name for flaw in error.errors()):
                        continue
                taken.append(f"{model.__name__}.{name}: {wrong!r}")
    assert taken == []
    assert tried > 40


async def test_every_operation_says_what_it_does(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    for where, operation in operations(document):
        assert operation.get("description", "").rstrip().endswith("."), where
        assert operation["tags"], where


async def test_every_parameter_says_what_it_means(document: Any) -> None:
    silent = [
        f"{where} {one['name']}"
        for where, operation in operations(document)
        for one in operation.get("parameters", ())
        if not one.get("description")
    ]
    assert silent == []


async def test_every_operation_has_a_name_of_its_own(document: Any) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in names)


async def test_every_error_is_a_problem(document: Any) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for where, operation in operations(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        assert {"400", "401", "403", "429", "500", "503"} <= set(errors), where
        assert all(answer["content"] == problem for answer in errors.values()), where


async def test_every_schema_that_is_named_is_there(document: Any) -> None:
    named = set(re.findall(r"#/components/schemas/([A-Za-z0-9_-]+)", str(document)))
    assert named <= set(document["components"]["schemas"])


async def test_every_operation_says_who_may_make_it(make_house: MakeHouse) -> None:
    api = (await make_house(start=False)).gateway.api
    told = {operation["operationId"]: caller_words(operation) for _, operation in operations(api.openapi())}
    assert {name: told[name] for name in ("list_apps", "sign_in", "show_reference", "show_me", "send")} == {
        "list_apps": "Needs `admin`.",
        "sign_in": "For everybody.",
        "show_reference": "For every caller.",
        "show_me": "For whoever is signed in.",
        "send": "Needs `send`.",
    }
    assert "For the local socket alone." in told.values()


async def test_no_parameter_of_the_query_is_null(document: Any) -> None:
    for where, operation in operations(document):
        assert '"null"' not in json.dumps([one["schema"] for one in operation.get("parameters", ())]), where


# ---- the page to read


class _Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag == "a":
            self.links.append(given["href"] or "")
        self.loaded += [value or "" for name, value in attrs if name in ("src", "srcset", "style") or name[:2] == "on"]


async def test_the_page_has_all_and_loads_nothing(document: Any) -> None:
    shown = _Page(page(document))
    assert {operation["operationId"] for _, operation in operations(document)} <= set(shown.ids)
    assert set(document["components"]["schemas"]) <= set(shown.ids)
    assert not shown.tags & {"script", "link", "img", "iframe", "form", "object", "base"}
    assert shown.loaded == []


async def test_every_link_of_the_page_leads_somewhere(document: Any) -> None:
    shown = _Page(page(document))
    assert [link for link in shown.links if link != "openapi.json" and link.removeprefix("#") not in shown.ids] == []


def test_what_a_description_says_is_no_markup() -> None:
    evil = '<script>alert("x")</script>'
    operation = {"tags": [evil], "operationId": evil, "summary": evil, "description": evil, "responses": {}}
    document = {
        "info": {"version": evil},
        "paths": {evil: {"get": operation}},
        "components": {"schemas": {evil: {"type": evil, "description": f"`{evil}`"}}},
    }
    assert "script" not in _Page(page(document)).tags


async def test_both_are_for_callers(house: House) -> None:
    told = await call(house, "GET", PREFIX + "openapi.json")
    assert told.value == house.gateway.api.openapi()
    shown = await call(house, "GET", PREFIX + "reference")
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
