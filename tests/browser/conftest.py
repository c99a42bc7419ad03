"""A real Chromium, driven by Selenium; pages are opened from disk, as people open them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import make_run

from evalsuite.reports.html import write_report

selenium = pytest.importorskip("selenium.webdriver")

AXE = "axe-core@4.10.3"
DESKTOP, PHONE = (1280, 900), (390, 844)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
)  # fmt: skip


class Page:
    """One open page: scripts, events, and what the browser had to say about it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, fragment: str = "", *, ready: str = "document.documentElement.dataset.shown") -> Page:
        """Load a file from disk and wait until `ready` is true."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(path.as_uri() + fragment)
        self.wait(ready)
        return self

    def js(self, script: str, *arguments: Any) -> Any:
        """Run a function body and return its value."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str, seconds: float = 20.0) -> None:
        """Wait until a JavaScript expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(
            lambda d: d.execute_script(f"return Boolean({condition})")
        )

    def texts(self, selector: str) -> list[str]:
        """Text of every element that a selector finds."""
        return list(
            self.js(
                "return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent.trim())", selector
            )
        )

    def click(self, selector: str) -> None:
        """Click the first element."""
        self.js("document.querySelector(arguments[0]).click()", selector)

    def choose(self, selector: str, value: str) -> None:
        """Set a field and say so, as a person's input would; waits for the list of samples."""
        before = self.js("return document.documentElement.dataset.samples")
        self.js(
            "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
            "field.dispatchEvent(new Event(field.type === 'search' ? 'input' : 'change', { bubbles: true }))",
            selector, value,
        )  # fmt: skip
        self.wait(f"document.documentElement.dataset.samples !== {json.dumps(before)}")

    def size(self, width: int, height: int) -> None:
        """Look at the page as on a screen of this size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, **features: str) -> None:
        """Emulate media features, such as `prefers_color_scheme="dark"`."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})

    def problems(self) -> list[str]:
        """Everything in the console of level warning and above."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for, other than the file itself and what the page made."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if not address.startswith(("data:", "blob:", "about:")) and message["params"].get("type") != "Document":
                    found.append(address)
        return found


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium with its own profile; skipped where there is none."""
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    server = shutil.which("chromedriver")
    if not binary or not server:
        pytest.skip("needs Chromium and chromedriver (Debian: apt install chromium chromium-driver)")
    options = selenium.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path_factory.mktemp("downloads"))})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(server))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: Any) -> Iterator[Page]:
    """A page at desktop size, light, with nothing kept from the test before."""
    page = Page(driver)
    page.size(*DESKTOP)
    page.media(prefers_color_scheme="light")
    yield page
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [], "media": ""})


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an ordinary run of forty samples."""
    folder = tmp_path_factory.mktemp("report")
    return write_report([make_run(folder / "run", items=40)], folder / "report.html")


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Page], list[dict[str, Any]]]:
    """Runs axe-core and returns serious and critical violations; fetched from the npm registry, or `$AXE_CORE_JS`."""
    given = os.environ.get("AXE_CORE_JS")
    source = Path(given).read_text("utf-8") if given else _fetch_axe(tmp_path_factory.mktemp("axe"))

    def violations(page: Page) -> list[dict[str, Any]]:
        page.js(source + ";window.axe = axe;")
        found = page.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "const places = (nodes) => nodes.slice(0, 4).map((node) => node.html.slice(0, 200));"
            "const told = ({ id, impact, nodes }) => ({ rule: id, impact, nodes: places(nodes) });"
            "window.axe.run(document, { resultTypes: ['violations'] }).then((result) => done(result.violations.map(told)))"
        )
        return [violation for violation in found if violation["impact"] in ("serious", "critical")]

    return violations


def _fetch_axe(folder: Path) -> str:
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("needs npm to fetch axe-core, or AXE_CORE_JS with the path of axe.min.js")
    packed = subprocess.run([npm, "pack", AXE, "--silent"], cwd=folder, capture_output=True, text=True, timeout=120)
    archives = list(folder.glob("*.tgz"))
    if packed.returncode != 0 or not archives:
        pytest.skip(f"{AXE} could not be fetched: {packed.stderr.strip()[-200:]}")
    with tarfile.open(archives[0]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8")
