"""The documentation's site, built strictly and driven in a real browser: ``nox -s docs``."""

import contextlib
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

import mockdata
import mockdata.testing

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PAGES = sorted(
    path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")
)
MADE = ("genindex.html", "py-modindex.html", "search.html")
WIDTHS = {"phone": 390, "desktop": 1280}

pytest.importorskip("sphinx", reason="the site is built by `nox -s docs`, which installs Sphinx")


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """The browser stays for all tests, in place of what every other test is held to."""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Build the site, every warning an error, and return its folder."""
    folder = Path(os.environ.get("MOCKDATA_SITE") or tmp_path_factory.mktemp("site"))
    shutil.rmtree(folder, ignore_errors=True)
    doctrees = tmp_path_factory.mktemp("doctrees")
    words = ("-m", "sphinx", "-W", "--keep-going", "-q", "-d", doctrees, "-b", "html", DOCS, folder)
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves the site, without a line for each request."""

    def log_message(self, format, *words):
        pass


@pytest.fixture(scope="session")
def address(site):
    """Serve the site on this machine, and return its address."""
    handler = functools.partial(Files, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser():
    """Start a browser that is installed here."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("there is no browser: install Chromium, such as by apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Return a function that opens a page of the site, and expects it to have no trouble."""
    with contextlib.ExitStack() as stack:

        def opened(name="index.html", width=WIDTHS["desktop"], scheme="light", **options):
            context = browser.new_context(
                viewport={"width": width, "height": 844}, color_scheme=scheme, **options
            )
            stack.callback(context.close)
            page, page.troubles = context.new_page(), []
            note = page.troubles.append
            page.on("console", lambda said: said.type in ("error", "warning") and note(said.text))
            page.on("pageerror", lambda error: note(str(error)))
            page.on("requestfailed", lambda request: note(request.url))
            page.on("response", lambda answer: answer.status >= 400 and note(answer.url))
            page.goto(f"{address}/{name}")
            return page

        yield opened


def test_every_public_name_is_in_the_reference(site):
    shown = (site / "reference" / "api.html").read_text(encoding="utf-8")
    names = {f"mockdata.{name}" for name in mockdata.__all__}
    names |= {f"mockdata.testing.{name}" for name in mockdata.testing.__all__}
    names |= {f"mockdata.pytest_plugin.mockdata_{name}"
              for name in ("seed", "records", "folder", "stream", "vault")}  # fmt: skip
    names |= {"mockdata.dask.generate"}
    assert names <= set(re.findall(r' id="([\w.]+)"', shown))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*PAGES, *MADE])
def test_a_page_fits_and_has_no_trouble(name, width, open_page):
    page = open_page(name, WIDTHS[width])
    assert page.title().endswith(f"mockdata {mockdata.__version__}")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    pictures = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src)"
    assert page.evaluate(pictures) == []
    assert page.troubles == []


def test_every_link_leads_somewhere(site, address, open_page):
    page = open_page()
    links, places = {}, {}
    for name in (*PAGES, *MADE):
        page.goto(f"{address}/{name}")
        for link in page.evaluate("[...document.links].map(link => link.href)"):
            links.setdefault(link, name)
        places[name] = set(page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)"))
    assert len(links) > 400
    for link, name in links.items():
        where, anchor = urldefrag(link)
        if not where.startswith(f"{address}/"):
            parts = urlsplit(link)
            assert (parts.scheme, "." in parts.netloc) == ("https", True), (name, link)
            continue
        target = unquote(where.removeprefix(f"{address}/")) or "index.html"
        assert (site / target).is_file(), (name, link)
        if anchor and target in places:
            assert unquote(anchor) in places[target], (name, link)


def test_the_search_finds_what_is_there(open_page):
    page = open_page()
    page.fill(".sidebar-search", "luhn")
    page.press(".sidebar-search", "Enter")
    page.wait_for_selector("ul.search li a")
    found = page.eval_on_selector_all("ul.search li a", "found => found.map(a => a.pathname)")
    assert "/reference/patterns.html" in found
    assert page.troubles == []


def test_a_name_of_the_library_is_found(open_page):
    page = open_page("search.html?q=generate_sync")
    page.wait_for_selector("ul.search li a")
    found = page.eval_on_selector_all("ul.search li a", "found => found.map(a => a.hash)")
    assert "#mockdata.generate_sync" in found


CONTRASTS = """() => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const brush = canvas.getContext("2d", {willReadFrequently: true});
    const rgba = colour => {
        brush.clearRect(0, 0, 1, 1); brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1);
        return brush.getImageData(0, 0, 1, 1).data;
    };
    const light = rgb => {
        const [r, g, b] = [...rgb].slice(0, 3).map(v => {
            v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return rgba("white");
    };
    const found = [];
    const walker = document.createTreeWalker(
        document.querySelector("article"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        if (element.closest(".headerlink, .copybtn")) continue;
        const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        found.push([ratio, element.className || element.tagName, walker.currentNode.data]);
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme, open_page, address):
    """By at least 4.5 to 1, which WCAG asks of body text."""
    page, seen, faint = open_page(scheme=scheme), 0, []
    for name in PAGES:
        page.goto(f"{address}/{name}")
        found = page.evaluate(CONTRASTS)
        seen += len(found)
        faint += [(name, *text) for text in found if text[0] < 4.5]
    assert seen > 10_000
    assert faint == []


def test_the_reader_can_choose_light_or_dark(open_page):
    page = open_page()
    seen = {}
    for _ in range(3):
        page.click(".content-icon-container .theme-toggle")
        theme = page.evaluate("document.body.dataset.theme")
        seen[theme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert set(seen) == {"auto", "light", "dark"}
    assert seen["light"] != seen["dark"]


def test_a_command_is_copied_without_its_prompt_and_output(open_page, address):
    page = open_page("tutorial.html", permissions=["clipboard-read", "clipboard-write"])
    block = page.locator(".highlight-console").first
    block.hover()
    block.locator(".copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("mockdata member=3 ")
    assert "\n" not in copied


def test_the_menu_opens_on_a_phone(open_page):
    page = open_page("tutorial.html", WIDTHS["phone"])
    assert not page.locator(".sidebar-tree").is_visible() or page.evaluate(
        "document.querySelector('.sidebar-drawer').getBoundingClientRect().right <= 0"
    )
    page.locator(".mobile-header .nav-overlay-icon").click()
    page.wait_for_function(
        "document.querySelector('.sidebar-drawer').getBoundingClientRect().left >= 0"
    )
    page.locator(".sidebar-tree").get_by_text("Patterns", exact=True).click()
    page.wait_for_url("**/reference/patterns.html")
