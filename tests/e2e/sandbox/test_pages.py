"""The sign-in pages in a real Chromium: what a person sees, and what the program that waits for the callback gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import taskcluster
from playwright.sync_api import Browser, Page, expect

from tcenv.sandbox import Sandbox
from tests.callback import Callback, listen_for_callback, make_sign_in_url
from tests.chromium import approve, open_page

USER = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org"
NAME = f"{USER}/tcenv"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with open_page(browser) as fresh:
        yield fresh


@pytest.fixture
def tc() -> Iterator[Sandbox]:
    with Sandbox(user=USER) as running:
        yield running


@pytest.fixture
def waiting() -> Iterator[Callback]:
    with listen_for_callback() as told:
        yield told


def error(page: Page) -> str:
    """The red text, once it is there."""
    expect(page.locator("#error")).to_be_visible()
    return page.locator("#error").inner_text()


def arrived(page: Page) -> None:
    """Waits until the browser shows what the waiting program answered."""
    expect(page.locator("body")).to_have_text("received")


def answered(waiting: Callback) -> dict[str, str]:
    """The one callback's parameters, as they are in the request line, undecoded."""
    assert len(waiting.paths) == 1
    path, _, query = waiting.paths[0].partition("?")
    assert path == "/secret-path"
    return dict(pair.split("=", 1) for pair in query.split("&"))


PAGES = ("create", "new")


@pytest.mark.parametrize("variant", PAGES)
def test_the_save_button_needs_no_scrolling(variant: str, browser: Browser, waiting: Callback) -> None:
    """With the three scopes of an ordinary sign-in, on a small laptop."""
    height = 800
    scopes = ["queue:*", "secrets:*", "auth:delete-client:mozilla-auth0/x/*"]
    with (
        Sandbox(user=USER, variant=variant, signed_in=True) as sandbox,
        open_page(browser, width=1280, height=height) as page,
    ):
        page.goto(make_sign_in_url(sandbox.root_url, waiting.url, variant, scope=scopes))
        box = page.get_by_role("button", name="Save Client").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height


def test_the_list_has_every_client(tc: Sandbox, page: Page) -> None:
    tc.create_client("me/one")
    tc.create_client("me/two")
    page.goto(f"{tc.root_url}/auth/clients")
    expect(page.get_by_role("row")).to_contain_text(["Client", "me/one", "me/two"])


class TestBothPages:
    """What both sign-in pages promise, today's and the one of the original guide. A new page is one more in PAGES."""

    @pytest.mark.parametrize("variant", PAGES)
    def test_saving_calls_back_with_credentials_that_work_and_nothing_encoded(
        self, tc: Sandbox, page: Page, waiting: Callback, variant: str
    ) -> None:
        approve(page, make_sign_in_url(tc.root_url, waiting.url, variant))
        answer = answered(waiting)
        assert answer["clientId"] == NAME
        assert re.fullmatch(r"[a-zA-Z0-9_-]{44}", answer["accessToken"])
        arrived(page)
        assert tc.approvals == 1
        client = tc.clients[NAME]
        assert client.delete_on_expiration
        assert client.scopes == [scope for scope in tc.user_scopes if scope.startswith("queue:")]
        auth = taskcluster.Auth({"rootUrl": tc.root_url, "credentials": dict(answer), "maxRetries": 0})
        assert "queue:scheduler-id:*" in auth.currentScopes()["scopes"]

    @pytest.mark.parametrize("variant", PAGES)
    def test_the_callback_has_the_headers_of_a_navigation_from_a_neighbour(
        self, tc: Sandbox, page: Page, waiting: Callback, variant: str
    ) -> None:
        approve(page, make_sign_in_url(tc.root_url, waiting.url, variant))
        headers = waiting.headers[0]
        assert headers["host"] == waiting.url.split("/")[2]
        assert headers["sec-fetch-mode"] == "navigate"
        assert headers["sec-fetch-dest"] == "document"
        assert headers["sec-fetch-site"] == "same-site"
        assert headers["referer"] == f"{tc.root_url}/"
        assert "origin" not in headers

    @pytest.mark.parametrize("variant", PAGES)
    def test_scopes_are_narrowed_to_what_the_user_holds_and_the_rest_is_dropped_without_a_word(
        self, page: Page, waiting: Callback, variant: str
    ) -> None:
        with Sandbox(user="u", user_scopes=["auth:create-client:u/*", "b", "c:1", "c:2", "e:*"]) as tc:
            asked = ["e:x", "nothing", "c:*", "b", "auth:create-client:*"]
            page.goto(make_sign_in_url(tc.root_url, waiting.url, variant, scope=asked))
            narrowed = ["e:x", "b", "auth:create-client:u/*", "c:1", "c:2"]
            assert page.get_by_label("Scopes").input_value().splitlines() == narrowed
            page.get_by_role("button", name="Save Client").click()
            arrived(page)
            assert tc.clients["u/tcenv"].scopes == sorted(narrowed)

    @pytest.mark.parametrize("variant", PAGES)
    def test_the_client_expires_when_the_address_says(
        self, tc: Sandbox, page: Page, waiting: Callback, variant: str
    ) -> None:
        approve(page, make_sign_in_url(tc.root_url, waiting.url, variant, expires="1mo"))
        lifetime = tc.clients[NAME].expires - tc.clients[NAME].created
        assert 30 * 86400 - 60 < lifetime <= 30 * 86400

    @pytest.mark.parametrize("variant", PAGES)
    def test_an_expression_that_it_cannot_read_crashes_the_page(
        self, tc: Sandbox, page: Page, waiting: Callback, variant: str
    ) -> None:
        page.goto(make_sign_in_url(tc.root_url, waiting.url, variant, expires="banana"))
        expect(page.locator("#crashed")).to_contain_text("not a valid time expression")
        assert page.locator("button").count() == 0
        assert not tc.clients

    def test_a_name_outside_of_the_pattern_is_refused_on_the_page(
        self, tc: Sandbox, page: Page, waiting: Callback
    ) -> None:
        name = '"><b>x'
        page.goto(make_sign_in_url(tc.root_url, waiting.url, name=name))
        assert page.get_by_label("Client ID").input_value() == f"{USER}/{name}"
        page.get_by_role("button", name="Save Client").click()
        assert "must match regular expression" in error(page)
        assert not waiting.paths

    @pytest.mark.parametrize("variant", PAGES)
    def test_what_is_asked_for_can_be_read_and_changed_before_it_is_given(
        self, tc: Sandbox, page: Page, waiting: Callback, variant: str
    ) -> None:
        hostile = "</script><script>document.title='owned'</script><b>\n\"x\""
        page.goto(make_sign_in_url(tc.root_url, waiting.url, variant, description=hostile, scope=["queue:*", hostile]))
        assert page.get_by_label("Description").input_value() == hostile
        assert page.get_by_label("Scopes").input_value().splitlines()[0] == "queue:create-task:highest:proj-sandbox/*"
        assert "owned" not in page.title()
        page.get_by_label("Scopes").fill("queue:scheduler-id:mine\n")
        page.get_by_role("button", name="Save Client").click()
        arrived(page)
        assert tc.clients[NAME].scopes == ["queue:scheduler-id:mine"]
        assert tc.clients[NAME].description == hostile

    @pytest.mark.parametrize("variant", PAGES)
    def test_more_than_the_user_holds_cannot_be_given(
        self, tc: Sandbox, page: Page, waiting: Callback, variant: str
    ) -> None:
        page.goto(make_sign_in_url(tc.root_url, waiting.url, variant))
        page.get_by_label("Scopes").fill("*")
        page.get_by_role("button", name="Save Client").click()
        assert "does not have sufficient scopes" in error(page)
        assert not tc.clients

    def test_when_nobody_listens_the_client_has_been_made_and_the_token_is_in_the_address_bar(
        self, tc: Sandbox, page: Page, waiting: Callback
    ) -> None:
        closed = "http://localhost:1/secret-path"
        page.goto(make_sign_in_url(tc.root_url, closed))
        with page.expect_event("requestfailed") as failed:
            page.get_by_role("button", name="Save Client").click()
        token = tc.clients[NAME].access_token
        assert failed.value.url.endswith(f"accessToken={token}")

    def test_save_before_the_page_knows_the_user_is_not_found_and_works_afterwards(
        self, page: Page, waiting: Callback
    ) -> None:
        with Sandbox(user=USER, signed_in_after=4) as tc:
            page.goto(make_sign_in_url(tc.root_url, waiting.url))
            assert page.get_by_label("Client ID").input_value() == ""
            page.get_by_role("button", name="Save Client").click()
            assert error(page) == "Not Found"
            assert not tc.clients
            expect(page.get_by_label("Client ID")).to_have_value(NAME)
            page.get_by_role("button", name="Save Client").click()
            arrived(page)
            assert tc.clients[NAME].scopes == [scope for scope in tc.user_scopes if scope.startswith("queue:")]


class TestWhoTheUserIs:
    def test_somebody_who_has_not_signed_in_sees_a_dialog_before_the_form(self, page: Page, waiting: Callback) -> None:
        with Sandbox(user=USER, signed_in=False) as tc:
            page.goto(make_sign_in_url(tc.root_url, waiting.url))
            expect(page.get_by_role("dialog")).to_contain_text("not signed in")
            assert page.get_by_label("Client ID").count() == 0
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_label("Client ID")).to_have_value(NAME)
            page.get_by_role("button", name="Save Client").click()
            arrived(page)
            assert tc.signed_in
            page.goto(make_sign_in_url(tc.root_url, waiting.url))
            assert page.get_by_role("dialog").count() == 0

    @pytest.mark.parametrize("variant", ["create", "new"])
    def test_where_their_scopes_cannot_be_read_there_is_no_client_id_and_the_whole_one_has_to_be_typed(
        self, page: Page, waiting: Callback, variant: str
    ) -> None:
        with Sandbox(user=USER, public=False, user_scopes=[f"auth:create-client:{USER}/*", "queue:*"]) as tc:
            page.goto(make_sign_in_url(tc.root_url, waiting.url, variant, scope=["queue:x"]))
            field = page.get_by_label("Client ID")
            expect(field).to_have_value("")
            page.get_by_role("button", name="Save Client").click()
            assert error(page) == "Not Found"
            assert not tc.clients
            if variant == "create":
                field.fill(NAME)
                page.get_by_role("button", name="Save Client").click()
                arrived(page)
                assert tc.clients[NAME].scopes == ["queue:x"]

    @pytest.mark.parametrize("ahead", [-3600, 3600])
    def test_where_the_clock_is_off_nothing_helps(self, tc: Sandbox, page: Page, waiting: Callback, ahead: int) -> None:
        tc.clock_offset = ahead
        page.goto(make_sign_in_url(tc.root_url, waiting.url))
        field = page.get_by_label("Client ID")
        expect(field).to_have_value("")
        page.get_by_role("button", name="Save Client").click()
        assert error(page) == "Not Found"
        field.fill(NAME)
        page.get_by_role("button", name="Save Client").click()
        assert error(page) == "Not Found"
        assert not tc.clients
        tc.clock_offset = ahead / 6
        approve(page, make_sign_in_url(tc.root_url, waiting.url))
        assert list(tc.clients) == [NAME]

    def test_scopes_that_a_role_adds_are_the_users_too(self, page: Page, waiting: Callback) -> None:
        roles = {"everybody-here": ["auth:create-client:u/*", "queue:a", "queue:b:*"]}
        with Sandbox(user="u", user_scopes=["assume:everybody-here"], roles=roles) as tc:
            approve(page, make_sign_in_url(tc.root_url, waiting.url))
            assert tc.clients["u/tcenv"].scopes == ["queue:a", "queue:b:*"]


class TestWhatCanBeChanged:
    def test_the_end(self, tc: Sandbox, page: Page, waiting: Callback) -> None:
        page.goto(make_sign_in_url(tc.root_url, waiting.url))
        page.get_by_label("Expires").fill("2031-02-03T04:05")
        page.get_by_role("button", name="Save Client").click()
        arrived(page)
        assert datetime.fromtimestamp(tc.clients[NAME].expires, UTC) == datetime(2031, 2, 3, 4, 5, tzinfo=UTC)

    def test_whether_it_is_deleted_then(self, tc: Sandbox, page: Page, waiting: Callback) -> None:
        page.goto(make_sign_in_url(tc.root_url, waiting.url))
        assert page.get_by_label("Delete on Expiration").is_checked()
        page.get_by_label("Delete on Expiration").uncheck()
        page.get_by_role("button", name="Save Client").click()
        arrived(page)
        tc.clients[NAME].expires = tc.now() - 1
        tc.purge()
        assert list(tc.clients) == [NAME]

    def test_a_client_that_says_so_stays_as_it_is_when_its_own_page_is_saved(self, tc: Sandbox, page: Page) -> None:
        tc.create_client(NAME, delete_on_expiration=False)
        page.goto(f"{tc.root_url}/auth/clients/{quote(NAME, safe='')}")
        assert not page.get_by_label("Delete on Expiration").is_checked()
        page.get_by_role("button", name="Save Client").click()
        expect(page.get_by_role("heading")).to_have_text("Client saved")
        assert not tc.clients[NAME].delete_on_expiration


class TestTheAddress:
    def test_one_that_is_too_long_ends_at_the_web_server(self, tc: Sandbox, page: Page, waiting: Callback) -> None:
        def answer(length: int) -> int:
            url = make_sign_in_url(tc.root_url, waiting.url)
            padding = length - len(url.removeprefix(tc.root_url)) - len("&x=")
            told = page.goto(f"{url}&x={'y' * padding}")
            assert told is not None
            return told.status

        assert answer(8177) == 200
        expect(page.get_by_label("Client ID")).to_have_value(NAME)
        assert answer(8178) == 414
        assert page.get_by_role("button").count() == 0

    @pytest.mark.parametrize("width", [320, 360, 1000])
    def test_the_end_of_a_long_client_id_can_be_seen(self, tc: Sandbox, browser: Browser, width: int) -> None:
        with open_page(browser, width=width) as page:
            for variant in ("create", "new"):
                page.goto(
                    make_sign_in_url(
                        tc.root_url, "http://localhost:1/", variant, name="tcenv-a-host-with-a-name:staging@2"
                    )
                )
                field = page.locator("#client-id")
                shown = field.evaluate("f => [f.scrollHeight - f.clientHeight, f.scrollWidth - f.clientWidth]")
                assert shown == [0, 0]
                box = field.bounding_box()
                assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width


class TestCreate:
    def test_a_taken_name_is_an_error_in_red_and_the_form_stays_usable(
        self, tc: Sandbox, page: Page, waiting: Callback
    ) -> None:
        tc.create_client(NAME, lifetime=-1)  # an expired client keeps its name
        page.goto(make_sign_in_url(tc.root_url, waiting.url))
        page.get_by_role("button", name="Save Client").click()
        assert error(page) == "Client already exists"
        assert not waiting.paths
        page.get_by_label("Client ID").fill(f"{USER}/tcenv-2")
        page.get_by_role("button", name="Save Client").click()
        arrived(page)
        assert answered(waiting)["clientId"] == f"{USER}/tcenv-2"
        assert tc.approvals == 1

    def test_a_callback_that_is_a_script_is_not_allowed(self, tc: Sandbox, page: Page) -> None:
        url = "javascript:alert(1)//http://localhost/"
        page.goto(make_sign_in_url(tc.root_url, url))
        page.get_by_role("button", name="Save Client").click()
        assert error(page) == f"Callback URL {url} is not allowed."
        assert not tc.clients

    def test_a_query_in_the_callback_breaks_the_answer_and_a_fragment_loses_it(
        self, tc: Sandbox, page: Page, waiting: Callback
    ) -> None:
        approve(page, make_sign_in_url(tc.root_url, f"{waiting.url}?state=x", name="a"))
        approve(page, make_sign_in_url(tc.root_url, f"{waiting.url}#part", name="b"))
        assert waiting.paths[0].startswith("/secret-path?state=x?clientId=")
        assert waiting.paths[1] == "/secret-path"

    def test_without_a_callback_it_is_an_ordinary_form(self, tc: Sandbox, page: Page) -> None:
        page.goto(f"{tc.root_url}/auth/clients/create?client_id={USER.replace('+', '%2B')}/by-hand")
        page.get_by_role("button", name="Save Client").click()
        expect(page.get_by_role("heading")).to_have_text("Client saved")
        assert list(tc.clients) == [f"{USER}/by-hand"]


class TestNew:
    def test_a_taken_name_can_be_reset(self, tc: Sandbox, page: Page, waiting: Callback) -> None:
        before = tc.create_client(NAME, ["old"], lifetime=60, description="old").access_token
        page.goto(make_sign_in_url(tc.root_url, waiting.url, "new", description="new"))
        assert not page.get_by_label("Client ID").is_editable()
        page.get_by_role("button", name="Reset accessToken").click()
        arrived(page)
        client = tc.clients[NAME]
        assert answered(waiting) == {"clientId": NAME, "accessToken": client.access_token}
        assert client.access_token != before
        assert client.description == "new"
        assert "queue:scheduler-id:*" in client.scopes
        assert client.expires > tc.now() + 3600
        assert client.delete_on_expiration

    def test_or_another_name_be_made(self, tc: Sandbox, page: Page, waiting: Callback) -> None:
        tc.create_client(NAME)
        for number in (1, 2):
            page.goto(make_sign_in_url(tc.root_url, waiting.url, "new"))
            page.get_by_role("button", name="Create a new clientId").click()
            arrived(page)
            assert f"{NAME}-{number}" in tc.clients
        assert waiting.paths[1].startswith(f"/secret-path?clientId={NAME}-2&")

    def test_a_callback_that_is_not_on_localhost_has_to_be_acknowledged(
        self, tc: Sandbox, page: Page, waiting: Callback
    ) -> None:
        page.goto(make_sign_in_url(tc.root_url, waiting.url.replace("localhost", "127.0.0.1"), "new"))
        page.get_by_role("button", name="Save Client").click()
        assert "acknowledge" in error(page)
        assert not tc.clients
        page.locator("#acknowledge").check()
        page.get_by_role("button", name="Save Client").click()
        arrived(page)
        assert answered(waiting)["clientId"] == NAME

    def test_a_callback_that_is_a_script_never_runs(self, tc: Sandbox, page: Page) -> None:
        page.goto(make_sign_in_url(tc.root_url, "javascript:document.title='owned'", "new"))
        page.get_by_role("button", name="Save Client").click()
        assert "is not allowed" in error(page)
        assert not tc.clients


class TestOtherPages:
    def test_saving_an_existing_client_calls_back_without_a_token(
        self, tc: Sandbox, page: Page, waiting: Callback
    ) -> None:
        before = tc.create_client(NAME, ["queue:scheduler-id:*"]).access_token
        page.goto(
            f"{tc.root_url}/auth/clients/{NAME.replace('/', '%2F').replace('+', '%2B')}?callback_url={waiting.url}"
        )
        page.get_by_label("Description").fill("changed")
        page.get_by_role("button", name="Save Client").click()
        arrived(page)
        assert answered(waiting) == {"clientId": NAME, "accessToken": "undefined"}
        assert tc.clients[NAME].access_token == before
        assert tc.clients[NAME].description == "changed"

    def test_a_deployment_may_have_one_page_only(self, page: Page) -> None:
        for has, lacks in (("create", "new"), ("new", "create")):
            with Sandbox(variant=has) as tc:
                page.goto(make_sign_in_url(tc.root_url, "http://localhost:1/", has))
                expect(page.get_by_role("button")).to_have_text("Save Client")
                page.goto(make_sign_in_url(tc.root_url, "http://localhost:1/", lacks))
                # The address of a client called "new", which there is none of.
                expect(page.locator("#crashed")).to_have_text("Client not found")

    def test_the_front_page_says_that_it_is_a_sandbox_and_lists_the_clients(self, tc: Sandbox, page: Page) -> None:
        tc.create_client(NAME)
        tc.create_client("old", lifetime=-1)
        page.goto(tc.root_url)
        expect(page.get_by_role("banner")).to_contain_text("Nothing here is real")
        expect(page.get_by_role("row", name=NAME)).to_be_visible()
        expect(page.get_by_role("row", name="old")).to_contain_text("expired")

    @pytest.mark.parametrize("dark", [False, True])
    @pytest.mark.parametrize("width", [320, 1000])
    def test_it_fits_and_breaks_no_policy(self, tc: Sandbox, browser: Browser, dark: bool, width: int) -> None:
        tc.create_client(NAME)
        with open_page(browser, dark=dark, width=width) as page:
            complaints: list[str] = []
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda problem: complaints.append(str(problem)))
            for variant in ("create", "new"):
                page.goto(
                    make_sign_in_url(tc.root_url, "http://localhost:1/" + "x" * 80, variant, description="d " * 200)
                )
                assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
                ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 384) == dark
            assert complaints == []


def test_the_page_needs_nothing_from_elsewhere(tc: Sandbox, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(make_sign_in_url(tc.root_url, "http://localhost:1/"))
    page.wait_for_load_state("networkidle")
    assert all(url.startswith((tc.root_url, "data:")) for url in asked)
