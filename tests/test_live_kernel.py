"""The same notebook cells with a kernel: in JupyterLab, driven by a browser, and with the widget versions of Colab."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request

import pytest
from browsing import ROOT
from living import changes

pytestmark = pytest.mark.slow

COLAB = ("anywidget==0.9.21", "ipywidgets==7.7.1", "ipython-genutils==0.2.0")
CELLS = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
from aecore import Autoencoder, data, networks, viz, widgets
digits = data.digits()
net = dict(shape=(8, 8, 1), hidden=(16,), code_size=2)
model = Autoencoder(networks.mlp_encoder(**net), networks.mlp_decoder(**net))
model.compile("adam")
model.fit(digits.train.x, epochs=2, verbose=0)
codes = model.encode(digits.test.x)
plane = widgets.CodePlane(model, codes, digits.test.y)
viz.show(viz.code_scatter(codes, digits.test.y), alt="The codes of test digits in the plane.", live=plane)
---
print("CODE", plane.code)
---
plane.code = [0.0, 0.0]
---
def show(size=2):
    print("SIZE", size)
widgets.controls(show, "Again", size=[2, 3])
"""


def notebook():
    cells = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {},
            "source": text.strip(),
            "outputs": [],
            "execution_count": None,
        }
        for i, text in enumerate(CELLS.split("---\n"))
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab on a folder with the notebook above."""
    (tmp_path / "live.ipynb").write_text(notebook())
    token, folder = secrets.token_hex(8), str(tmp_path)
    options = {"IdentityProvider.token": token, "ServerApp.root_dir": folder, "port": 8950}
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", *flags]
    places = {f"JUPYTER_{name}_DIR": f"{folder}/.{name.lower()}" for name in ("CONFIG", "RUNTIME")}
    places["JUPYTERLAB_SETTINGS_DIR"] = places["JUPYTERLAB_WORKSPACES_DIR"] = f"{folder}/.lab"
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield address(process, tmp_path / "log", token)
        finally:
            process.terminate()
            process.wait(30)


def address(process, log, token):
    for _ in range(120):
        assert process.poll() is None, log.read_text()
        found = re.search(r"http://127.0.0.1:\d+/", log.read_text())  # it may have taken another port
        if found:
            urllib.request.urlopen(f"{found.group()}api", timeout=20).close()
            return f"{found.group()}doc/tree/live.ipynb?token={token}"
        time.sleep(0.5)
    raise AssertionError(log.read_text())


def test_a_figure_in_jupyterlab_talks_to_its_kernel(lab, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    try:
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(lab)
        page.get_by_text("| Idle").wait_for(timeout=90_000)
        page.locator(".jp-CodeCell .cm-content").first.click()
        run(page)
        figure = page.locator(".jp-OutputArea-output").filter(has=page.locator(".live"))
        figure.locator("canvas.plane").wait_for(timeout=120_000)
        assert figure.locator(".fault").count() == 0
        plane = figure.locator("canvas.plane")
        assert changes(figure, lambda: plane.click(position={"x": 50, "y": 60}))
        said = [float(v) for v in figure.locator("output").all_inner_texts()]
        page.locator(".jp-CodeCell").nth(1).locator(".cm-content").click()
        run(page)
        page.get_by_text("CODE [").wait_for(timeout=30_000)
        printed = json.loads(page.get_by_text("CODE [").inner_text().removeprefix("CODE "))
        assert printed == pytest.approx(said, abs=0.01)

        def from_python():
            run(page)
            page.wait_for_function("e => [...e.querySelectorAll('output')].every(o => +o.textContent == 0)",
                                   arg=figure.element_handle(), timeout=30_000)  # fmt: skip

        assert changes(figure, from_python)
        run(page)
        page.get_by_text("SIZE 2").first.wait_for(timeout=30_000)
        page.get_by_role("button", name="Again").click()
        twice = "document.querySelector('.jp-Notebook').textContent.split('SIZE 2').length > 2"
        page.wait_for_function(twice)
        assert errors == []
    finally:
        context.close()


def run(page):
    page.keyboard.press("Shift+Enter")


def test_figures_with_the_widget_versions_of_colab(tmp_path, python):
    target = tmp_path / "colab"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), *COLAB]
    subprocess.run(install, check=True, timeout=300)
    code = CELLS.replace("---\n", "") + (
        "\nimport anywidget, ipywidgets\nprint('VERSIONS', anywidget.__version__, ipywidgets.__version__)"
        "\nstate = plane.get_state()\nprint('STATE', sorted(state)[:3], len(state['data']), plane._model_module)"
    )
    lines = python("-c", code, PYTHONPATH=os.pathsep.join([str(target), str(ROOT)]), KERAS_BACKEND="tensorflow").stdout
    assert "VERSIONS 0.9.21 7.7.1" in lines
    assert "CODE [" in lines
    assert "SIZE 2" in lines
    assert "STATE ['_anywidget_id', '_css', '_dom_classes']" in lines
    assert lines.rstrip().endswith("anywidget")
