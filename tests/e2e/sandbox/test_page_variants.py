"""Check what only one of the two sign-in pages does, in a real Chromium."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tcenv.sandbox import Sandbox
from tests.callback import Callback, make_sign_in_url, read_callback
from tests.chromium import approve, read_error, wait_for_callback
from tests.world import HOSTILE_USER as USER

NAME = f"{USER}/tcenv"


class TestCreate:
    def test_a_taken_name_is_an_error_and_the_form_stays_usable(
        self, tc: Sandbox, page: Page, callback: Callback
    ) -> None:
        tc.create_client(NAME, lifetime=-1)  # an expired client keeps its name
        page.goto(make_sign_in_url(tc.root_url, callback.url))
        page.get_by_role("button", name="Save Client").click()
        assert read_error(page) == "Client already exists"
        assert not callback.paths
        page.get_by_label("Client ID").fill(f"{USER}/tcenv-2")
        page.get_by_role("button", name="Save Client").click()
        wait_for_callback(page)
        assert read_callback(callback)["clientId"] == f"{USER}/tcenv-2"
        assert tc.approvals == 1

    def test_a_script_as_a_callback_is_not_allowed(self, tc: Sandbox, page: Page) -> None:
        url = "javascript:alert(1)//http://localhost/"
        page.goto(make_sign_in_url(tc.root_url, url))
        page.get_by_role("button", name="Save Client").click()
        assert read_error(page) == f"Callback URL {url} is not allowed."
        assert not tc.clients

    def test_a_query_in_the_callback_breaks_the_answer_and_a_fragment_loses_it(
        self, tc: Sandbox, page: Page, callback: Callback
    ) -> None:
        approve(page, make_sign_in_url(tc.root_url, f"{callback.url}?state=x", name="a"))
        approve(page, make_sign_in_url(tc.root_url, f"{callback.url}#part", name="b"))
        assert callback.paths[0].startswith("/secret-path?state=x?clientId=")
        assert callback.paths[1] == "/secret-path"

    def test_the_page_works_without_a_callback(self, tc: Sandbox, page: Page) -> None:
        page.goto(f"{tc.root_url}/auth/clients/create?client_id={USER.replace('+', '%2B')}/by-hand")
        page.get_by_role("button", name="Save Client").click()
        expect(page.get_by_role("heading")).to_have_text("Client saved")
        assert list(tc.clients) == [f"{USER}/by-hand"]


class TestNew:
    def test_a_taken_name_can_be_reset(self, tc: Sandbox, page: Page, callback: Callback) -> None:
        before = tc.create_client(NAME, ["old"], lifetime=60, description="old").access_token
        page.goto(make_sign_in_url(tc.root_url, callback.url, "new", description="new"))
        assert not page.get_by_label("Client ID").is_editable()
        page.get_by_role("button", name="Reset accessToken").click()
        wait_for_callback(page)
        client = tc.clients[NAME]
        assert read_callback(callback) == {"clientId": NAME, "accessToken": client.access_token}
        assert client.access_token != before
        assert client.description == "new"
        assert "queue:scheduler-id:*" in client.scopes
        assert client.expires > tc.now() + 3600
        assert client.delete_on_expiration

    def test_a_taken_name_can_get_a_suffix(self, tc: Sandbox, page: Page, callback: Callback) -> None:
        tc.create_client(NAME)
        for number in (1, 2):
            page.goto(make_sign_in_url(tc.root_url, callback.url, "new"))
            page.get_by_role("button", name="Create a new clientId").click()
            wait_for_callback(page)
            assert f"{NAME}-{number}" in tc.clients
        assert callback.paths[1].startswith(f"/secret-path?clientId={NAME}-2&")

    def test_a_callback_outside_of_localhost_must_be_acknowledged(
        self, tc: Sandbox, page: Page, callback: Callback
    ) -> None:
        page.goto(make_sign_in_url(tc.root_url, callback.url.replace("localhost", "127.0.0.1"), "new"))
        page.get_by_role("button", name="Save Client").click()
        assert "acknowledge" in read_error(page)
        assert not tc.clients
        page.locator("#acknowledge").check()
        page.get_by_role("button", name="Save Client").click()
        wait_for_callback(page)
        assert read_callback(callback)["clientId"] == NAME

    def test_a_script_as_a_callback_never_runs(self, tc: Sandbox, page: Page) -> None:
        page.goto(make_sign_in_url(tc.root_url, "javascript:document.title='owned'", "new"))
        page.get_by_role("button", name="Save Client").click()
        assert "is not allowed" in read_error(page)
        assert not tc.clients
