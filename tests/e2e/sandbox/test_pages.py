"""Use the sign-in pages in a real Chromium. Check the page and the callback that it sends."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import taskcluster
from playwright.sync_api import Browser, Page, expect

from tcenv.sandbox import Sandbox
from tests.callback import Callback, make_sign_in_url, read_callback
from tests.chromium import approve, open_page, read_error, wait_for_callback
from tests.world import HOSTILE_USER as USER

NAME = f"{USER}/tcenv"
PAGES = ("create", "new")


@pytest.mark.parametrize("variant", PAGES)
def test_the_save_button_is_visible_without_scrolling(variant: str, browser: Browser, callback: Callback) -> None:
    """The request has the three scopes of an ordinary sign-in; the screen is that of a small laptop."""
    height = 800
    scopes = ["queue:*", "secrets:*", "auth:delete-client:mozilla-auth0/x/*"]
    with (
        Sandbox(user=USER, variant=variant, signed_in=True) as sandbox,
        open_page(browser, width=1280, height=height) as page,
    ):
        page.goto(make_sign_in_url(sandbox.root_url, callback.url, variant, scope=scopes))
        box = page.get_by_role("button", name="Save Client").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height


def test_the_list_has_every_client(tc: Sandbox, page: Page) -> None:
    tc.create_client("me/one")
    tc.create_client("me/two")
    page.goto(f"{tc.root_url}/auth/clients")
    expect(page.get_by_role("row")).to_contain_text(["Client", "me/one", "me/two"])


class TestBothPages:
    """Check what both sign-in pages promise. A new page is one more entry of PAGES."""

    @pytest.mark.parametrize("variant", PAGES)
    def test_saving_calls_back_with_credentials_that_work_and_nothing_encoded(
        self, tc: Sandbox, page: Page, callback: Callback, variant: str
    ) -> None:
        approve(page, make_sign_in_url(tc.root_url, callback.url, variant))
        answer = read_callback(callback)
        assert answer["clientId"] == NAME
        assert re.fullmatch(r"[a-zA-Z0-9_-]{44}", answer["accessToken"])
        wait_for_callback(page)
        assert tc.approvals == 1
        client = tc.clients[NAME]
        assert client.delete_on_expiration
        assert client.scopes == [scope for scope in tc.user_scopes if scope.startswith("queue:")]
        auth = taskcluster.Auth({"rootUrl": tc.root_url, "credentials": dict(answer), "maxRetries": 0})
        assert "queue:scheduler-id:*" in auth.currentScopes()["scopes"]

    @pytest.mark.parametrize("variant", PAGES)
    def test_the_callback_has_the_headers_of_a_same_site_navigation(
        self, tc: Sandbox, page: Page, callback: Callback, variant: str
    ) -> None:
        approve(page, make_sign_in_url(tc.root_url, callback.url, variant))
        headers = callback.headers[0]
        assert headers["host"] == callback.url.split("/")[2]
        assert headers["sec-fetch-mode"] == "navigate"
        assert headers["sec-fetch-dest"] == "document"
        assert headers["sec-fetch-site"] == "same-site"
        assert headers["referer"] == f"{tc.root_url}/"
        assert "origin" not in headers

    @pytest.mark.parametrize("variant", PAGES)
    def test_scopes_are_narrowed_to_those_of_the_user(self, page: Page, callback: Callback, variant: str) -> None:
        with Sandbox(user="u", user_scopes=["auth:create-client:u/*", "b", "c:1", "c:2", "e:*"]) as tc:
            asked = ["e:x", "nothing", "c:*", "b", "auth:create-client:*"]
            page.goto(make_sign_in_url(tc.root_url, callback.url, variant, scope=asked))
            narrowed = ["e:x", "b", "auth:create-client:u/*", "c:1", "c:2"]
            assert page.get_by_label("Scopes").input_value().splitlines() == narrowed
            page.get_by_role("button", name="Save Client").click()
            wait_for_callback(page)
            assert tc.clients["u/tcenv"].scopes == sorted(narrowed)

    @pytest.mark.parametrize("variant", PAGES)
    def test_the_client_expires_as_requested(self, tc: Sandbox, page: Page, callback: Callback, variant: str) -> None:
        approve(page, make_sign_in_url(tc.root_url, callback.url, variant, expires="1mo"))
        lifetime = tc.clients[NAME].expires - tc.clients[NAME].created
        assert 30 * 86400 - 60 < lifetime <= 30 * 86400

    @pytest.mark.parametrize("variant", PAGES)
    def test_an_invalid_expression_crashes_the_page(
        self, tc: Sandbox, page: Page, callback: Callback, variant: str
    ) -> None:
        page.goto(make_sign_in_url(tc.root_url, callback.url, variant, expires="banana"))
        expect(page.locator("#crashed")).to_contain_text("not a valid time expression")
        assert page.locator("button").count() == 0
        assert not tc.clients

    def test_an_invalid_name_is_refused_on_the_page(self, tc: Sandbox, page: Page, callback: Callback) -> None:
        name = '"><b>x'
        page.goto(make_sign_in_url(tc.root_url, callback.url, name=name))
        assert page.get_by_label("Client ID").input_value() == f"{USER}/{name}"
        page.get_by_role("button", name="Save Client").click()
        assert "must match regular expression" in read_error(page)
        assert not callback.paths

    @pytest.mark.parametrize("variant", PAGES)
    def test_the_user_can_read_and_change_the_request(
        self, tc: Sandbox, page: Page, callback: Callback, variant: str
    ) -> None:
        hostile = "</script><script>document.title='owned'</script><b>\n\"x\""
        page.goto(make_sign_in_url(tc.root_url, callback.url, variant, description=hostile, scope=["queue:*", hostile]))
        assert page.get_by_label("Description").input_value() == hostile
        assert page.get_by_label("Scopes").input_value().splitlines()[0] == "queue:create-task:highest:proj-sandbox/*"
        assert "owned" not in page.title()
        page.get_by_label("Scopes").fill("queue:scheduler-id:mine\n")
        page.get_by_role("button", name="Save Client").click()
        wait_for_callback(page)
        assert tc.clients[NAME].scopes == ["queue:scheduler-id:mine"]
        assert tc.clients[NAME].description == hostile

    @pytest.mark.parametrize("variant", PAGES)
    def test_the_user_cannot_grant_scopes_that_they_lack(
        self, tc: Sandbox, page: Page, callback: Callback, variant: str
    ) -> None:
        page.goto(make_sign_in_url(tc.root_url, callback.url, variant))
        page.get_by_label("Scopes").fill("*")
        page.get_by_role("button", name="Save Client").click()
        assert "does not have sufficient scopes" in read_error(page)
        assert not tc.clients

    def test_a_failed_callback_leaves_a_client_and_its_token_in_the_address(
        self, tc: Sandbox, browser: Browser, callback: Callback
    ) -> None:
        # The failed navigation would go on in the page of the next test.
        with open_page(browser) as page:
            closed = "http://localhost:1/secret-path"
            page.goto(make_sign_in_url(tc.root_url, closed))
            with page.expect_event("requestfailed") as failed:
                page.get_by_role("button", name="Save Client").click()
            token = tc.clients[NAME].access_token
            assert failed.value.url.endswith(f"accessToken={token}")

    def test_save_works_only_after_the_page_knows_the_user(self, page: Page, callback: Callback) -> None:
        with Sandbox(user=USER, signed_in_after=4) as tc:
            page.goto(make_sign_in_url(tc.root_url, callback.url))
            assert page.get_by_label("Client ID").input_value() == ""
            page.get_by_role("button", name="Save Client").click()
            assert read_error(page) == "Not Found"
            assert not tc.clients
            expect(page.get_by_label("Client ID")).to_have_value(NAME)
            page.get_by_role("button", name="Save Client").click()
            wait_for_callback(page)
            assert tc.clients[NAME].scopes == [scope for scope in tc.user_scopes if scope.startswith("queue:")]


class TestWhoTheUserIs:
    def test_a_dialog_asks_the_user_to_sign_in_before_the_form(self, page: Page, callback: Callback) -> None:
        with Sandbox(user=USER, signed_in=False) as tc:
            page.goto(make_sign_in_url(tc.root_url, callback.url))
            expect(page.get_by_role("dialog")).to_contain_text("not signed in")
            assert page.get_by_label("Client ID").count() == 0
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_label("Client ID")).to_have_value(NAME)
            page.get_by_role("button", name="Save Client").click()
            wait_for_callback(page)
            assert tc.signed_in
            page.goto(make_sign_in_url(tc.root_url, callback.url))
            assert page.get_by_role("dialog").count() == 0

    @pytest.mark.parametrize("variant", ["create", "new"])
    def test_a_private_deployment_needs_the_whole_client_id(self, page: Page, callback: Callback, variant: str) -> None:
        with Sandbox(user=USER, public=False, user_scopes=[f"auth:create-client:{USER}/*", "queue:*"]) as tc:
            page.goto(make_sign_in_url(tc.root_url, callback.url, variant, scope=["queue:x"]))
            field = page.get_by_label("Client ID")
            expect(field).to_have_value("")
            page.get_by_role("button", name="Save Client").click()
            assert read_error(page) == "Not Found"
            assert not tc.clients
            if variant == "create":
                field.fill(NAME)
                page.get_by_role("button", name="Save Client").click()
                wait_for_callback(page)
                assert tc.clients[NAME].scopes == ["queue:x"]

    @pytest.mark.parametrize("ahead", [-3600, 3600])
    def test_a_wrong_clock_prevents_every_save(self, tc: Sandbox, page: Page, callback: Callback, ahead: int) -> None:
        tc.clock_offset = ahead
        page.goto(make_sign_in_url(tc.root_url, callback.url))
        field = page.get_by_label("Client ID")
        expect(field).to_have_value("")
        page.get_by_role("button", name="Save Client").click()
        assert read_error(page) == "Not Found"
        field.fill(NAME)
        page.get_by_role("button", name="Save Client").click()
        assert read_error(page) == "Not Found"
        assert not tc.clients
        tc.clock_offset = ahead / 6
        approve(page, make_sign_in_url(tc.root_url, callback.url))
        assert list(tc.clients) == [NAME]

    def test_the_scopes_of_a_role_belong_to_the_user(self, page: Page, callback: Callback) -> None:
        roles = {"everybody-here": ["auth:create-client:u/*", "queue:a", "queue:b:*"]}
        with Sandbox(user="u", user_scopes=["assume:everybody-here"], roles=roles) as tc:
            approve(page, make_sign_in_url(tc.root_url, callback.url))
            assert tc.clients["u/tcenv"].scopes == ["queue:a", "queue:b:*"]


class TestWhatCanBeChanged:
    def test_the_user_can_change_the_expiry(self, tc: Sandbox, page: Page, callback: Callback) -> None:
        page.goto(make_sign_in_url(tc.root_url, callback.url))
        page.get_by_label("Expires").fill("2031-02-03T04:05")
        page.get_by_role("button", name="Save Client").click()
        wait_for_callback(page)
        assert datetime.fromtimestamp(tc.clients[NAME].expires, UTC) == datetime(2031, 2, 3, 4, 5, tzinfo=UTC)

    def test_the_user_can_keep_the_client_after_its_expiry(self, tc: Sandbox, page: Page, callback: Callback) -> None:
        page.goto(make_sign_in_url(tc.root_url, callback.url))
        assert page.get_by_label("Delete on Expiration").is_checked()
        page.get_by_label("Delete on Expiration").uncheck()
        page.get_by_role("button", name="Save Client").click()
        wait_for_callback(page)
        tc.clients[NAME].expires = tc.now() - 1
        tc.purge()
        assert list(tc.clients) == [NAME]

    def test_saving_a_clients_page_keeps_delete_on_expiration(self, tc: Sandbox, page: Page) -> None:
        tc.create_client(NAME, delete_on_expiration=False)
        page.goto(f"{tc.root_url}/auth/clients/{quote(NAME, safe='')}")
        assert not page.get_by_label("Delete on Expiration").is_checked()
        page.get_by_role("button", name="Save Client").click()
        expect(page.get_by_role("heading")).to_have_text("Client saved")
        assert not tc.clients[NAME].delete_on_expiration


class TestTheAddress:
    def test_the_web_server_refuses_a_long_address(self, tc: Sandbox, page: Page, callback: Callback) -> None:
        def answer(length: int) -> int:
            url = make_sign_in_url(tc.root_url, callback.url)
            padding = length - len(url.removeprefix(tc.root_url)) - len("&x=")
            output = page.goto(f"{url}&x={'y' * padding}")
            assert output is not None
            return output.status

        assert answer(8177) == 200
        expect(page.get_by_label("Client ID")).to_have_value(NAME)
        assert answer(8178) == 414
        assert page.get_by_role("button").count() == 0

    @pytest.mark.parametrize("width", [320, 360, 1000])
    def test_a_long_client_id_is_visible_to_its_end(self, tc: Sandbox, browser: Browser, width: int) -> None:
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


class TestOtherPages:
    def test_saving_an_existing_client_calls_back_without_a_token(
        self, tc: Sandbox, page: Page, callback: Callback
    ) -> None:
        before = tc.create_client(NAME, ["queue:scheduler-id:*"]).access_token
        page.goto(
            f"{tc.root_url}/auth/clients/{NAME.replace('/', '%2F').replace('+', '%2B')}?callback_url={callback.url}"
        )
        page.get_by_label("Description").fill("changed")
        page.get_by_role("button", name="Save Client").click()
        wait_for_callback(page)
        assert read_callback(callback) == {"clientId": NAME, "accessToken": "undefined"}
        assert tc.clients[NAME].access_token == before
        assert tc.clients[NAME].description == "changed"

    def test_a_deployment_may_have_one_page_only(self, page: Page) -> None:
        for has, lacks in (("create", "new"), ("new", "create")):
            with Sandbox(variant=has) as tc:
                page.goto(make_sign_in_url(tc.root_url, "http://localhost:1/", has))
                expect(page.get_by_role("button")).to_have_text("Save Client")
                page.goto(make_sign_in_url(tc.root_url, "http://localhost:1/", lacks))
                # This is the address of a client called "new", which does not exist.
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
    def test_the_pages_fit_and_break_no_policy(self, tc: Sandbox, browser: Browser, dark: bool, width: int) -> None:
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


def test_the_page_loads_nothing_from_another_host(tc: Sandbox, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(make_sign_in_url(tc.root_url, "http://localhost:1/"))
    page.wait_for_load_state("networkidle")
    assert all(url.startswith((tc.root_url, "data:")) for url in asked)
