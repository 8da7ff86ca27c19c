"""Find a Chromium for the tests in a browser, or install one.

    python tools/browser.py      print the path of the browser

CHROME_PATH names one; otherwise a Chromium or Chrome on the PATH is taken, or the one that playwright has installed.
Where there is none, playwright's is downloaded, or, as root on Debian and Ubuntu, the package chromium is installed.
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# No window, no graphics card, and no talk with the browser's maker.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


def works(path):
    """Returns: the browser's version where `path` is one that starts here, else None."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def installed():
    """Returns: the path of the first browser that works, or None."""
    named = os.environ.get("CHROME_PATH")
    if named:
        if not works(named):
            raise FileNotFoundError(f"CHROME_PATH is {named}, which is no browser that starts: correct or unset it.")
        return named
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    found = (*map(shutil.which, NAMES), own)
    return next((path for path in found if path and works(path)), None)


def attempts():
    """Returns: the ways to install a browser here, each a list of commands."""
    ways = [[[sys.executable, "-m", "playwright", "install", "chromium"]]]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        ways.append([["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]])
    return ways


def find():
    """Find a browser, or install one. Returns: (its path, ""), or (None, the reasons why there is none)."""
    path = installed()
    if path:
        return path, ""
    reasons = [f"no {', '.join(NAMES)} on the PATH that starts"]
    for commands in attempts():
        for command in commands:
            print("No browser found:", " ".join(command), file=sys.stderr, flush=True)
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
                error = done.stderr.strip()[-300:] if done.returncode else ""
            except (OSError, subprocess.TimeoutExpired) as failure:
                error = str(failure)
            if error:
                reasons.append(f"{' '.join(command[-3:])}: {error}")
                break
        path = installed()
        if path:
            return path, ""
    reasons.append("install Chromium or Chrome, or name one in CHROME_PATH")
    return None, "; ".join(reasons)


def main():
    path, reason = find()
    print(path or f"No browser: {reason}", file=sys.stdout if path else sys.stderr)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
