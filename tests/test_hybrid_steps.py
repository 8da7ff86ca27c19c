"""One step of every autoencoder with a critic, beside its paper's losses in NumPy, differentiated by differences."""

import numpy as np
import pytest
from opposed import PARTS, RATE, X, build, d, logit, run, weights, with_sgd

from aecore.adversarial import R1, GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from aecore.hybrids import VAEGAN, AdversarialAutoencoder, BiGAN


def softplus(a):
    return np.logaddexp(0, a)


LOSSES = {  # critic(real, fake), decoder(fake), encoder(real)
    NonSaturating: (lambda r, f: softplus(-r) + softplus(f), lambda f: softplus(-f), softplus),
    Minimax: (lambda r, f: softplus(-r) + softplus(f), lambda f: -softplus(f), lambda r: -softplus(-r)),
    LeastSquares: (lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda f: (f - 1) ** 2 / 2, lambda r: r**2 / 2),
    Wasserstein: (lambda r, f: f - r, lambda f: -f, lambda r: r),
    Hinge: (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda f: -f, lambda r: r),
}


def code(p, x, noise):
    out = run(p, "encoder", x)[1]
    return out if noise is None else out[:, :d] + np.exp(out[:, d:] / 2) * noise


def squared_slope(p, *seen):
    h, _ = run(p, "critic", *seen)
    return np.sum((((1 - h**2) * p["critic", 2][:, 0]) @ p["critic", 0].T) ** 2, axis=1)


def penalised(kind, p, real, fake, mix):
    if kind is R1:
        return 0.5 * squared_slope(p, *real)
    between = [mix[:, None] * a + (1 - mix[:, None]) * b for a, b in zip(real, fake, strict=True)]
    return (np.sqrt(squared_slope(p, *between)) - 1) ** 2


def move(p, losses):
    """The parameters after a step down each (loss, parts) from the same point, by central differences."""
    moved = dict(p)
    for loss, parts in losses:
        for key in [key for key in p if key[0] in parts]:
            gradient = np.zeros_like(p[key])
            for i in np.ndindex(gradient.shape):
                sides = [
                    {**p, key: p[key] + sign * 1e-5 * (i == np.indices(p[key].shape).T).all(-1).T} for sign in (1, -1)
                ]
                gradient[i] = (loss(sides[0]) - loss(sides[1])) / 2e-5
            moved[key] = moved[key] - RATE * gradient
    return moved


def aae(p, x, z, noise, mix, loss, penalty):
    critic, opposed, _ = loss
    p = move(p, [(lambda p: np.mean(np.sum((x - run(p, "decoder", code(p, x, noise))[1]) ** 2, 1)), PARTS[:2])])
    fake = code(p, x, noise)
    p = move(p, [(lambda p: np.mean(critic(logit(p, z), logit(p, fake)) + penalty(p, [z], [fake], mix)), ("critic",))])
    return move(p, [(lambda p: np.mean(opposed(logit(p, code(p, x, noise)))), ("encoder",))])


def vaegan(p, x, z, noise, mix, loss, penalty, weight, scale):
    critic, opposed, _ = loss

    def terms(p):
        out = run(p, "encoder", x)[1]
        kl = 0.5 * np.sum(np.exp(out[:, d:]) + out[:, :d] ** 2 - 1 - out[:, d:], axis=1)
        rec, made = (run(p, "decoder", a)[1] for a in (code(p, x, noise), z))
        s = np.sum((run(p, "critic", x)[0] - run(p, "critic", rec)[0]) ** 2, axis=1) / (2 * scale**2)
        return kl, s, rec, made

    def by_critic(p):
        *_, rec, made = terms(p)
        both = critic(logit(p, x), logit(p, rec)) + critic(logit(p, x), logit(p, made))
        return np.mean(both / 2 + penalty(p, [x], [made], mix))

    def by_decoder(p):
        _, s, rec, made = terms(p)
        return np.mean(weight * s + (opposed(logit(p, rec)) + opposed(logit(p, made))) / 2)

    by_encoder = lambda p: np.mean(sum(terms(p)[:2]))
    return move(p, [(by_encoder, ("encoder",)), (by_decoder, ("decoder",)), (by_critic, ("critic",))])


def bigan(p, x, z, noise, mix, loss, penalty):
    critic, opposed, mirrored = loss
    real, fake = (lambda p: [x, code(p, x, noise)]), (lambda p: [run(p, "decoder", z)[1], z])
    pay = lambda p: critic(logit(p, *real(p)), logit(p, *fake(p))) + penalty(p, real(p), fake(p), mix)
    by_encoder = lambda p: np.mean(mirrored(logit(p, *real(p))))
    by_decoder = lambda p: np.mean(opposed(logit(p, *fake(p))))
    return move(p, [(lambda p: np.mean(pay(p)), ("critic",)), (by_encoder, ("encoder",)), (by_decoder, ("decoder",))])


STEPS = {AdversarialAutoencoder: aae, VAEGAN: vaegan, BiGAN: bigan}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", STEPS)
def test_a_step_is_that_of_the_paper(kind, loss):
    penalty = {NonSaturating: R1, Wasserstein: GradientPenalty}.get(loss)
    stochastic = kind is VAEGAN or loss in (NonSaturating, Hinge)
    numbers = {"weight": 0.5, "scale": 2.0} if kind is VAEGAN else {}
    model = build(kind, stochastic, loss=loss(), penalty=penalty and penalty(3.0), seed=5, **numbers)
    p = {key: w.astype("float64") for key, w in weights(model).items()}
    with_sgd(model).fit(X, batch_size=20, verbose=0)
    x = X[model.batches((X,), 20, 0).order(0)[0]].astype("float64")
    drawn = model.draw(np.random.default_rng([5, 0, 1]), 1, 20)
    noise = {name: drawn[name][0].astype("float64") if name in drawn else None for name in ("z", "noise", "mix")}
    assert (noise["noise"] is None) != stochastic
    price = lambda p, *seen: 3.0 * penalised(penalty, p, *seen) if penalty else 0.0
    wanted = STEPS[kind](p, x, **noise, **numbers, loss=LOSSES[loss], penalty=price)
    for key, got in weights(model).items():
        np.testing.assert_allclose(got - p[key], wanted[key] - p[key], rtol=2e-3, atol=2e-6, err_msg=str(key))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_mirrored_critic_pays_the_same_with_data_and_samples_exchanged(loss):
    real, fake = np.random.default_rng(1).normal(0, 2, (2, 50)).astype("float32")
    ours = loss().critic(real, fake)
    np.testing.assert_allclose(loss().critic(loss().mirrored(fake), loss().mirrored(real)), ours, rtol=1e-5, atol=1e-6)
