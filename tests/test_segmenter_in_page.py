"""The rounds of `Segmenter` as the page runs them, beside Python's: the same beliefs, free energy and energies."""

import numpy as np
import pytest
from shaped import coded, pictures, segmenter, trio
from test_live import MODULE, PARITY

from aecore.appearance import ColourMixture
from aecore.widgets_segmentation import SegmenterInPage

pytestmark = pytest.mark.slow

X, MASKS = pictures()
# What the page makes of each case: q after every round, the free energy, and the energy of the mask it was asked for.
INFER = """async (cases) => {
  const { module, spec, data } = await (MODULE)(0), given = module.carried(spec, data);
  return cases.map(({ picture, prior, hints, settings, mask }) => {
    const painted = Int8Array.from(hints), kernel = given.kernel(given.alike(picture, settings), painted, settings);
    const task = given.problem(given.looks(picture, prior), prior, painted, kernel, settings), job = task.infer();
    let step;
    do step = job.next(); while (!step.done);
    const ends = step.value.filter(({ round, sweep }, i) => (i && !sweep) || sweep === given.sweeps);
    return { q: ends.map((state) => Array.from(state.q)), free: step.value.at(-1).free, energy: task.energy(mask) };
  });
}""".replace("MODULE", MODULE)


@pytest.fixture(scope="module")
def segments(build):
    return trio(build)


@pytest.fixture(scope="module")
def figure(segments):
    return SegmenterInPage(segments, X, MASKS)


def test_the_page_infers_what_the_segmenter_infers(stand, segments, figure):
    rng = np.random.default_rng(3)
    hints = rng.choice([-1, -1, -1, -1, 0, 1, -2], X.shape[:3])
    strong = dict(appearance_weight=0.9, prior_weight=1.5, bilateral=1, spatial=3, damping=0, position=2, colour=0.5)
    for settings, painted in ((figure.settings, np.full_like(hints, -1)), (figure.settings, hints), (strong, hints)):
        known, labels = painted != -2, np.maximum(painted, -1)
        cases = [
            {"picture": i, "prior": k, "hints": painted[i].ravel().tolist(), "settings": settings,
             "mask": MASKS[i].ravel().tolist()}
            for k in range(3) for i in range(3)
        ]  # fmt: skip
        with stand(figure) as (page, _, faults):
            assert all(max(off.values()) < 1e-3 for off in page.evaluate(PARITY, 0).values())
            found = iter(page.evaluate(INFER, cases))
        assert faults == []
        for prior in (given.prior for given in segments.values()):
            crf = segmenter().crf.get_config()
            crf |= {key: settings[key] for key in ("bilateral", "spatial", "damping", "position", "colour")}
            weights = {key: settings[key] for key in ("appearance_weight", "prior_weight")}
            truth = segmenter(prior, crf=type(segmenter().crf).from_config(crf), **weights)
            course = truth.course(X, known, labels)
            energy = truth.energy(X, MASKS, known, labels)
            for i in range(3):
                page_says = next(found)
                for believed, q in zip(course, page_says["q"], strict=True):
                    np.testing.assert_allclose(np.reshape(q, (8, 8)), believed["q"][i, ..., 1], atol=1e-3)
                assert page_says["free"] == pytest.approx(course[-1]["free_energy"][i], abs=0.02, rel=1e-4)
                for term, value in page_says["energy"].items():
                    assert value == pytest.approx(energy[term][i], abs=0.02, rel=1e-4), term


def test_colours_are_fitted_as_in_python(stand, build):
    """EM from slices of equal weight: a pixel at an edge of a slice may fall to either side in single precision."""
    noisy, masks = pictures(3, seed=5)
    for appearance in (ColourMixture(3), ColourMixture(2, position=0.5)):
        truth = segmenter(coded(build), appearance=appearance)
        figure = SegmenterInPage(truth, noisy)
        assert figure.spec["scores"] == [None]
        cases = [
            {
                "picture": i,
                "prior": 0,
                "hints": [-1] * 64,
                "settings": figure.settings,
                "mask": masks[i].ravel().tolist(),
            }
            for i in range(3)
        ]
        with stand(figure) as (page, _, faults):
            found = page.evaluate(INFER, cases)
        assert faults == []
        course, energy = truth.course(noisy), truth.energy(noisy, masks)
        for i, page_says in enumerate(found):
            apart = np.abs(np.reshape(page_says["q"][-1], (8, 8)) - course[-1]["q"][i, ..., 1])
            assert apart.mean() < 0.01, apart
            assert page_says["energy"]["appearance"] == pytest.approx(energy["appearance"][i], rel=0.02, abs=0.05)
            assert page_says["free"] == pytest.approx(course[-1]["free_energy"][i], rel=0.01)
