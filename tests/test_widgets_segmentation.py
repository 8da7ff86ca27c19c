"""The Python side of the figures of segmentation: what they carry, what they refuse, how their traits behave."""

import numpy as np
import pytest
from codes import small_gan, small_vae
from shaped import coded, pictures, segmenter
from test_widgets import read

from aecore.appearance import ColourMixture, SharedMixture
from aecore.dense import DenseCRF
from aecore.distributions import MixturePrior
from aecore.objectives import Bernoulli
from aecore.widgets_segmentation import InferenceRounds, SegmenterInPage

X, MASKS = pictures()


# ---- a segmenter in the page ----


def test_a_figure_carries_segmenters_and_what_they_saw(build):
    ae, vae = coded(build), small_vae(3, likelihood=Bernoulli())
    given = {"mean": segmenter(), "ae": segmenter(ae, prior_weight=0.9), "vae": segmenter(vae)}
    figure = SegmenterInPage(given, X, MASKS)
    spec, data = figure.spec, figure.data
    assert (spec["priors"], spec["normal"]) == (["mean", "ae", "vae"], [False, False, True])
    assert (spec["rounds"], spec["sweeps"], spec["border"], spec["spatial_width"]) == (3, 4, 0.125, 1.5)
    assert "encoder_0" not in spec
    assert spec["encoder_1"]["input"] == [8, 8, 1]
    assert (spec["decoder_2"]["input"], spec["encoder_2"]["layers"][-1]["units"]) == ([3], 6)
    np.testing.assert_allclose(read(data, spec["pictures"]), X, atol=2e-5)
    np.testing.assert_array_equal(read(data, spec["masks"]), MASKS)
    clipped = np.clip(given["mean"].appearance.log_p[..., 1], -8, 8)
    assert spec["mixtures"] == [None] * 3
    for entry in spec["scores"]:
        np.testing.assert_allclose(read(data, entry), clipped, atol=2e-4)
    odds = (MASKS.sum(axis=0) + 1) / (len(MASKS) - MASKS.sum(axis=0) + 1)
    np.testing.assert_allclose(read(data, spec["means"])[1], np.log(odds), atol=1e-5)
    assert figure.prior == "mean"
    assert figure.settings == pytest.approx(
        {"appearance_weight": 0.4, "prior_weight": 0.6, "bilateral": 2, "spatial": 1, "damping": 0.2, "position": 3,
         "colour": 0.25}
    )  # fmt: skip


def test_a_model_travels_once(build):
    ae = coded(build)
    one, two = (
        SegmenterInPage({str(w): segmenter(ae, prior_weight=w) for w in weights}, X) for weights in ([1], [1, 2])
    )
    assert two.spec["encoder_0"] == two.spec["encoder_1"]
    assert len(two.data) - len(one.data) < 1500  # the scores and the mean shape


def test_a_single_segmenter_needs_no_name_and_no_truth():
    figure = SegmenterInPage(segmenter(), X)
    assert figure.spec["priors"] == ["segmenter"]
    assert "masks" not in figure.spec


def test_a_mixture_of_colours_is_refitted_in_the_page():
    figure = SegmenterInPage(segmenter(appearance=ColourMixture(3, steps=4, position=0.5)), X)
    assert figure.spec["scores"] == [None]
    assert figure.spec["mixtures"] == [{"components": 3, "steps": 4, "regulariser": 1e-3, "position": 0.5}]
    shared = SharedMixture(2).fit(X, MASKS)
    assert SegmenterInPage(segmenter(appearance=shared), X).spec["mixtures"] == [None]


def test_dials_are_checked():
    figure = SegmenterInPage(segmenter(), X)
    before = dict(figure.settings)
    figure.settings = {**before, "spatial": 10}
    for wrong, words in (
        ({"spatial": 11}, "spatial must be from 0 to 10, got 11"),
        ({"sky": 1}, "wanted the settings"),
    ):
        with pytest.raises(ValueError, match=words):
            figure.settings = {**before, **wrong}


def test_errors_of_the_segmenter(build):
    good, large = segmenter(), np.zeros((1, 33, 32, 3), "f4")
    fresh = segmenter()
    fresh.mean_shape = None
    other = {
        "knows no shape yet": fresh,
        "a segmenter of two labels": segmenter(labels=3),
        "Autoencoder or VAE that projects": segmenter(coded(build), latent="map"),
        "or VAE that projects": segmenter(small_gan(classes=None)),
        "whose prior is N": segmenter(small_vae(2, prior=MixturePrior(2, 3))),
        "swept all at once": segmenter(crf=DenseCRF(chequered=True)),
        "with colours": segmenter(crf=DenseCRF(colour=None)),
        "colour must be from": segmenter(crf=DenseCRF(colour=2.0)),
    }
    cases = [((segmenters, X), words) for words, segmenters in other.items()]
    cases += [
        (({}, X), "wanted 1 to 4 segmenters, got 0"),
        ((dict.fromkeys("abcde", good), X), "wanted 1 to 4 segmenters, got 5"),
        ((good, large), "at most 32 x 32 pixels, whose kernel takes 4 MB, got 33 x 32"),
        ((good, np.concatenate([X] * 5)), "at most 12 pictures"),
        ((good, X[..., :2]), "1 or 3 channels"),
        ((good, 2 * X), r"images in \[0, 1\]"),
        ((good, X, MASKS[:2]), "of the same n, h and w"),
    ]
    for given, words in cases:
        with pytest.raises(ValueError, match=words):
            SegmenterInPage(*given)


# ---- rounds ----


def test_rounds_are_those_of_the_course(build):
    courses = {"mean": segmenter().course(X), "ae": segmenter(coded(build)).course(X)}
    figure = InferenceRounds(courses, X, MASKS)
    spec, data = figure.spec, figure.data
    assert (spec["names"], figure.round) == (["mean", "ae"], -1)
    for k, course in enumerate(courses.values()):
        for r, believed in enumerate(course):
            for field, key in (("q", "q"), ("shape", "prior")):
                np.testing.assert_allclose(read(data, spec[field])[k, r], believed[key][..., 1], atol=0.034)
            np.testing.assert_allclose(spec["free_energy"][k][r], believed["free_energy"], rtol=1e-6)
    clipped = np.clip(segmenter().appearance.log_p[..., 1], -8, 8)
    np.testing.assert_allclose(read(data, spec["appearance"])[0, 0], 0.5 + clipped / 16, atol=0.034)
    assert InferenceRounds(courses["mean"], X).spec["names"] == ["segmenter"]


def test_errors_of_the_rounds():
    course = segmenter().course(X)
    cases = [
        (({}, X), "wanted 1 to 4 courses"),
        (({"a": course, "b": course[:2]}, X), "of as many rounds"),
        ((course, X[:2]), r"each of q for images \(2, 8, 8, 3\)"),
        ((course * 800, X), "more than 400000 pixels"),
        ((course, X, MASKS[:2]), "of the same n, h and w"),
    ]
    for given, words in cases:
        with pytest.raises(ValueError, match=words):
            InferenceRounds(*given)
