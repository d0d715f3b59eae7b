"""The web site of `make book`, as a reader's browser shows it, on a desk and on a phone, in light and in dark."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urldefrag

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

import clrlib
from lab import paths
from lab.show import figures

BOOK = paths.BUILD / "book"
PAGES = sorted(path.relative_to(BOOK).as_posix() for path in BOOK.rglob("*.html") if "_static" not in path.parts)
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
each_page = pytest.mark.parametrize("name", PAGES)
LOOK = """() => ({
    links: [...document.links].map(link => link.href),
    names: [...document.querySelectorAll('[id]')].map(element => element.id),
    pictures: [...document.images].map(image => [image.alt, image.complete && image.naturalWidth > 0]),
})"""


@dataclass
class Seen:
    """What one page holds, and what went wrong or away while it was loaded."""

    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    pictures: list[tuple[str, bool]] = field(default_factory=list)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *told: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address under which the book is served, on this machine alone."""
    if not PAGES:
        pytest.exit("error: there is no book in build/book; call make book first", returncode=1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=BOOK))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module", params=["light", "dark"])
def desk(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport=DESK, color_scheme=request.param) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def phone(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def seen(browser: Browser, site: str) -> dict[str, Seen]:
    """Every page, loaded once."""
    with browser.new_context(viewport=DESK) as context:
        return {name: look(context.new_page(), site + name) for name in PAGES}


def look(page: Page, url: str) -> Seen:
    seen = Seen()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("requestfailed", lambda request: seen.faults.append(f"{request.url}: {request.failure}"))
    page.on("response", lambda got: seen.faults.append(f"{got.url}: {got.status}") if got.status >= 400 else None)
    page.on("console", lambda said: seen.faults.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.faults.append(str(error)))
    page.goto(url)
    for part, found in page.evaluate(LOOK).items():
        setattr(seen, part, found)
    page.close()
    return seen


@each_page
def test_a_page_loads_whole_and_fetches_nothing_from_elsewhere(name: str, seen: dict[str, Seen], site: str) -> None:
    page = seen[name]
    assert page.faults == [] and page.requests
    assert [url for url in page.requests if not url.startswith((site, "data:"))] == []
    assert [link for link in page.links if not link.startswith((site, "https://"))] == []
    assert [alt for alt, shown in page.pictures if not shown or len(alt.split()) < 5] == [], "shown and put in words"


@each_page
def test_every_link_leads_to_a_page_and_a_place_on_it(name: str, seen: dict[str, Seen], site: str) -> None:
    inside = [link.removeprefix(site) for link in seen[name].links if link.startswith(site)]
    assert inside
    for link in inside:
        target, place = map(unquote, urldefrag(link.split("?")[0]))
        assert (BOOK / target).is_file(), link
        assert not place or place in seen[target].names, link


@each_page
def test_no_page_scrolls_sideways_on_a_phone(name: str, phone: Page, site: str) -> None:
    phone.goto(site + name)
    assert phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@each_page
def test_nothing_shuts_out_a_reader(name: str, desk: Page, site: str) -> None:
    desk.goto(site + name)
    found = Axe().run(desk, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    grave = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in grave] == []


def test_everything_is_in_the_book(seen: dict[str, Seen], site: str) -> None:
    pages = [f"docs/{path.stem}.html" for path in (paths.ROOT / "docs").glob("*.md")]
    notebooks = [f"notebooks/{path.stem}.html" for path in paths.NOTEBOOKS.glob("*.ipynb")]
    assert len(pages) > 5 and len(notebooks) > 11
    assert {site + name for name in pages + notebooks} <= {urldefrag(link).url for link in seen["index.html"].links}
    shown = [alt for alt, _ in seen["book/gallery.html"].pictures]
    assert sorted(shown) == sorted((paths.FIGURES / f"{name}.txt").read_text().strip() for name in figures.FIGURES)
    described = {place for name in PAGES if name.startswith("book/api/") for place in seen[name].names}
    assert {f"clrlib.{name}" for name in clrlib.__all__} <= described


def test_search_finds_a_page_and_says_so(desk: Page, site: str) -> None:
    desk.goto(site + "search.html?q=triangular2")
    expect(desk.locator("#search-results a").first).to_be_visible(timeout=30_000)
    assert [*filter(None, desk.locator("#search-results").get_by_role("link").all_inner_texts())]


@pytest.mark.parametrize("mode", ["Dark", "Light", "System Settings"])
def test_dark_and_light_can_be_chosen(mode: str, desk: Page, site: str) -> None:
    desk.goto(site)
    system = "dark" if desk.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    desk.get_by_role("button", name="Color mode").click()
    desk.get_by_role("button", name=mode).click()
    expect(desk.locator("html")).to_have_attribute("data-theme", system if " " in mode else mode.lower())


def test_a_phone_reaches_every_notebook_by_the_menu(phone: Page, site: str) -> None:
    phone.goto(site)
    entry = phone.get_by_role("link", name="03 Which bounds").first
    expect(entry).not_to_be_in_viewport()
    phone.get_by_role("button", name="Toggle primary sidebar").tap()
    entry.tap()
    expect(phone).to_have_url(f"{site}notebooks/03_lr_range_test.html")


def test_the_first_pages_tab_says_what_it_is(desk: Page, site: str) -> None:
    desk.goto(site)
    assert desk.title() == "Cyclical learning rates for PyTorch — clrlib"


def test_a_heading_on_a_phone_leaves_room_for_text(phone: Page, site: str) -> None:
    phone.goto(site + "docs/which_schedule.html")
    assert phone.evaluate("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)") <= 32


def test_next_leads_through_the_menu_in_its_order(seen: dict[str, Seen], desk: Page, site: str) -> None:
    desk.goto(site)
    menu = desk.locator("nav.bd-links a.internal").evaluate_all(
        "links => links.map(link => [link.href, link.innerText])"
    )
    assert len({href for href, _ in menu}) == len(menu) > 30
    for (here, _), (following, title) in zip(menu[::9], menu[1::9], strict=False):
        desk.goto(here)
        onward = desk.locator("a.right-next")
        assert urldefrag(onward.evaluate("link => link.href")).url == following
        assert " ".join(onward.locator(".prev-next-title").inner_text().split()) == " ".join(title.split())


def test_the_policies_move_by_keyboard_and_refuse_what_the_library_refuses(desk: Page, site: str) -> None:
    faults: list[str] = []
    desk.on("pageerror", lambda error: faults.append(str(error)))
    desk.goto(site + "docs/policies.html")
    line, said, curve = (desk.locator(f".clr-schedules {part}") for part in (".clr-line", ".clr-said", "path"))
    expect(line).to_contain_text("Triangular(base_lr=0.001, max_lr=0.006, step_size=2000)")
    before = curve.get_attribute("d")
    desk.get_by_label("policy", exact=True).focus()
    desk.keyboard.press("ArrowDown")
    expect(line).to_contain_text("Triangular2(base_lr=0.001")
    desk.get_by_label("max_lr, slider").press("ArrowLeft")
    expect(line).to_contain_text("max_lr=0.0059")
    assert curve.get_attribute("d") != before
    desk.get_by_label("base_lr", exact=True).fill("0.01")
    expect(said).to_have_text("base_lr 0.01 is above max_lr 0.0059; give the lower bound as base_lr")
    desk.get_by_label("base_lr", exact=True).fill("1e-3")
    expect(said).to_contain_text("highest 0.0059")
    assert faults == []


def test_every_policy_draws_as_it_begins(desk: Page, site: str) -> None:
    desk.goto(site + "docs/policies.html")
    names = desk.locator("#clr-policy option").all_inner_texts()
    assert len(names) > 12
    for name in names:
        desk.get_by_label("policy", exact=True).select_option(name)
        expect(desk.locator(".clr-said")).to_contain_text("First rate")
        expect(desk.locator(".clr-line")).to_contain_text(f"policy = {name}(")


def test_the_training_plays_pauses_and_follows_the_slider(desk: Page, site: str) -> None:
    desk.goto(site + "book/replay.html")
    said, slider = desk.locator(".clr-controls output"), desk.get_by_label("iteration of the training")
    expect(said).to_contain_text("iteration 25,000")
    slider.press("Home")
    expect(said).to_have_text(re.compile(r"iteration 100, rate 0\.0012, accuracy \d\d\.\d %"))
    desk.get_by_role("button", name="Play").press("Enter")
    expect(said).not_to_contain_text("iteration 100,")
    desk.get_by_role("button", name="Pause").press("Enter")
    stopped = said.inner_text()
    desk.wait_for_timeout(300)
    assert said.inner_text() == stopped != ""
    assert desk.locator(".clr-dot").count() == 2


def test_a_reader_who_wants_no_motion_gets_the_whole_picture(browser: Browser, site: str) -> None:
    with browser.new_context(viewport=PHONE, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(site + "book/replay.html")
        expect(page.locator(".clr-controls output")).to_contain_text("iteration 25,000")
        expect(page.get_by_role("button", name="Play")).to_be_hidden()


def test_print_shows_the_whole_training_and_the_cheat_sheet_takes_one_page(browser: Browser, site: str) -> None:
    with browser.new_context(viewport=DESK) as context:
        page = context.new_page()
        page.goto(site + "book/replay.html")
        page.get_by_label("iteration of the training").press("Home")
        page.emulate_media(media="print")
        assert page.locator("svg:has(.clr-test_accuracy)").evaluate("line => getComputedStyle(line).clipPath") == "none"
        expect(page.locator(".clr-controls")).to_be_hidden()
        page.goto(site + "docs/cheat_sheet.html")
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) == 1


def test_claims_are_searched_and_sorted(desk: Page, site: str) -> None:
    desk.goto(site + "book/claims.html")
    rows = desk.locator(".clr-claims tbody tr:visible")
    everything = rows.count()
    desk.get_by_label("Search the claims").fill("not reproduced")
    expect(desk.locator(".clr-claims [role=status]")).to_have_text(f"{rows.count()} of {everything} claims")
    assert 0 < rows.count() < everything
    desk.get_by_label("Search the claims").fill("")
    column = desk.locator(".clr-claims thead th").all_inner_texts().index("ours") + 1
    for order in ("ascending", "descending"):
        desk.get_by_role("button", name="ours").press("Enter")
        expect(desk.locator(f".clr-claims th:nth-child({column})")).to_have_attribute("aria-sort", order)
        numbers = [float(text) for text in rows.locator(f"td:nth-child({column})").all_inner_texts()]
        assert numbers == sorted(numbers, reverse=order == "descending")


def test_code_is_copied_without_prompts(browser: Browser, site: str) -> None:
    with browser.new_context(viewport=DESK, permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        page.goto(site + "book/api/1_policies.html")
        block = page.locator("div.highlight", has_text="Fixed(0.01)(123)")
        block.locator(".clr-copy").focus()
        page.keyboard.press("Enter")
        expect(block.locator(".clr-copy")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "Fixed(0.01)(123)"
