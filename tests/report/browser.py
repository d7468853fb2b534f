"""A real browser on the pages: Debian's Chromium, driven by Selenium, with nothing of its own on the network."""

import base64
import importlib.util
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_SECONDS = 20


class Browser:
    """A tab with a page of ours."""

    def __init__(self, driver: Any, screenshots: Path) -> None:
        self.driver = driver
        self._screenshots = screenshots

    def open(self, page: Path, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Loads a page, and waits until its plots and pictures are drawn."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        self.driver.get(page.resolve().as_uri())
        self.wait("[...document.querySelectorAll('.stage canvas')].every((c) => c.style.width)")
        self.wait(
            "[...document.querySelectorAll('.plots:not([hidden])')].every((p) => p.childElementCount === 2)"
        )

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: str) -> None:
        """Until an expression is true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, _SECONDS, 0.05).until(
            lambda driver: driver.execute_script(f"return {condition}"), condition
        )

    def element(self, selector: str) -> Any:
        """The first element that a CSS selector finds."""
        return self.driver.find_element("css selector", selector)

    def canvas(self, selector: str) -> np.ndarray:
        """What a canvas holds, uint8 [H, W, 3]."""
        url = self.run("return document.querySelector(arguments[0]).toDataURL()", selector)
        picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        return np.asarray(picture.convert("RGB"))

    def screenshot(self, name: str) -> None:
        """Keeps the whole page as a picture, for people to look at."""
        self.driver.execute_cdp_cmd("Page.enable", {})
        size = self.run(
            "const r = document.documentElement; return [r.clientWidth, r.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 8000), "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        self._screenshots.mkdir(parents=True, exist_ok=True)
        (self._screenshots / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Warnings and errors on the console since the page was opened."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("WARNING", "SEVERE")
        ]

    def requests(self) -> list[str]:
        """Addresses that were asked for since the page was opened; pictures inside it are none."""
        messages = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        urls = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("data:")]


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in `folder`; screenshots go to DSSLIC_SCREENSHOTS, or there too.

    Skips the test where there is none, or fails it where DSSLIC_REQUIRE_BROWSER is 1.
    """
    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    has_selenium = importlib.util.find_spec("selenium") is not None
    if not has_selenium or chromium is None or driver_path is None:
        told = "needs selenium, chromium and chromedriver (Debian: chromium chromium-driver)"
        if os.environ.get("DSSLIC_REQUIRE_BROWSER") == "1":
            pytest.fail(told)
        pytest.skip(told)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_path))
    try:
        yield Browser(driver, Path(os.environ.get("DSSLIC_SCREENSHOTS", folder / "screenshots")))
    finally:
        driver.quit()
