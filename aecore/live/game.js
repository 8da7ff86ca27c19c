// Two dense networks that play against each other: losses in pairs, penalties, and one player's step at a time. No part of it draws.
import { ACTIVATIONS, SLOPES, sigmoid } from "./network.js";
import { OPTIMISERS, addRows, backward, bent, forward, init, outer, times, transposed } from "./learn.js";
import { normals, random } from "./random.js";

const { softplus, relu } = ACTIVATIONS;
const fooling = { value: (d) => -d, slope: () => -1 };
const telling = { // two of the losses share their critic, cross-entropy; d is its logit
  real: { value: (d) => softplus(-d), slope: (d) => -sigmoid(-d) },
  made: { value: softplus, slope: sigmoid },
};

/** What each player minimises, one number per point, by what the critic says of it, and the slope of that. */
export const LOSSES = {
  minimax: { ...telling, generator: { value: (d) => -softplus(d), slope: (d) => -sigmoid(d) } },
  "non-saturating": { ...telling, generator: { value: (d) => softplus(-d), slope: (d) => -sigmoid(-d) } },
  "least squares": {
    real: { value: (d) => 0.5 * (d - 1) ** 2, slope: (d) => d - 1 },
    made: { value: (d) => 0.5 * d ** 2, slope: (d) => d },
    generator: { value: (d) => 0.5 * (d - 1) ** 2, slope: (d) => d - 1 },
  },
  Wasserstein: { real: fooling, made: { value: (d) => d, slope: () => 1 }, generator: fooling },
  hinge: {
    real: { value: (d) => relu(1 - d), slope: (d) => (d < 1 ? -1 : 0) },
    made: { value: (d) => relu(1 + d), slope: (d) => (d > -1 ? 1 : 0) },
    generator: fooling,
  },
};

/** What keeps the critic in bounds: share * (|slope of the critic by its input| - target)^2, at mixed or at real points; or clipping. */
export const PENALTIES = {
  none: {},
  "gradient penalty": { share: 1, target: 1, mixed: true }, // Gulrajani et al. 2017, equation 3
  R1: { share: 0.5, target: 0, mixed: false }, // Mescheder et al. 2018, equation 9
  clipping: { clip: 0.1 }, // Arjovsky et al. 2017, algorithm 1, with a limit for small networks
};

/** Second derivatives of the activations that a critic may have, by the sum x and the value y. */
const BENDS = {
  linear: () => 0,
  relu: () => 0,
  leaky_relu: () => 0,
  gelu: (x) => ((2 - x * x) * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI),
  tanh: (x, y) => -2 * y * (1 - y * y),
};
export const CURVED = Object.keys(BENDS).filter((name) => name !== "linear");

const mean = (values, f) => values.reduce((sum, value) => sum + f(value), 0) / values.length;
const ones = (n) => new Float64Array(n).fill(1);
const add = (into, more, times = 1) => into.forEach((array, k) => { for (let i = 0; i < array.length; i++) array[i] += times * more[k][i]; });

/** Slope of the critic by each of its inputs, (n, 2). */
export const inputSlopes = (weights, layers, spec) => backward(weights, layers, ones(layers.at(-1).values.length), spec, false).inputs;

/** Rate of change of the critic along `ways`, (n, 2), summed over the points: its gradient by every weight.
 *  With ways fixed, that is how a function of the input slopes is differentiated: the way there once more, with tangents, and back. */
export function slopeGradients(weights, layers, ways, { sizes, activations }) {
  const slopes = weights.map((w) => new Float64Array(w.length)), tangents = [ways], sums = []; // of the values and the sums of each layer
  activations.forEach((name, l) => {
    sums.push(times(tangents[l], weights[2 * l], sizes[l], sizes[l + 1]));
    tangents.push(bent(sums[l], SLOPES[name], layers[l + 1].sums, layers[l + 1].values));
  });
  let back = new Float64Array(layers.at(-1).values.length), backTangent = ones(back.length);
  for (let l = activations.length - 1; l >= 0; l--) {
    const [from, to] = sizes.slice(l, l + 2), { sums: x, values: y } = layers[l + 1];
    const curved = bent(backTangent, BENDS[activations[l]], x, y);
    back = bent(back, SLOPES[activations[l]], x, y).map((value, k) => value + curved[k] * sums[l][k]);
    backTangent = bent(backTangent, SLOPES[activations[l]], x, y);
    outer(layers[l].values, back, from, to, slopes[2 * l]);
    outer(tangents[l], backTangent, from, to, slopes[2 * l]);
    addRows(back, to, slopes[2 * l + 1]);
    [back, backTangent] = [transposed(back, weights[2 * l], from, to), transposed(backTangent, weights[2 * l], from, to)];
  }
  return slopes;
}

/** A penalty, mean over the points x, and its gradient by every weight of the critic. */
export function penaltyGradients(weights, x, spec, { share, target }) {
  const size = spec.sizes[0], n = x.length / size, layers = forward(weights, x, spec), slopes = inputSlopes(weights, layers, spec);
  let value = 0;
  const ways = new Float64Array(x.length); // of the penalty by the input slopes
  for (let b = 0; b < n; b++) {
    const own = slopes.subarray(b * size, (b + 1) * size), length = Math.hypot(...own);
    value += (share * (length - target) ** 2) / n;
    for (let i = 0; i < size; i++) ways[b * size + i] = length ? (2 * share * (length - target) * own[i]) / length / n : 0;
  }
  return { value, gradients: slopeGradients(weights, layers, ways, spec) };
}

/** The critic's loss and gradient on real points, made points and shares in [0, 1] that mix them, one for each pair. */
export function criticGradients(weights, real, made, shares, spec, { loss, penalty, penalty_weight }) {
  const gradients = weights.map((w) => new Float64Array(w.length)), pair = LOSSES[loss], way = PENALTIES[penalty];
  let total = 0, fine = 0;
  for (const [x, { value, slope }] of [[real, pair.real], [made, pair.made]]) {
    const layers = forward(weights, x, spec), logits = layers.at(-1).values, n = logits.length;
    total += mean(logits, value);
    add(gradients, backward(weights, layers, logits.map((d) => slope(d) / n), spec).gradients);
  }
  if (way.share && penalty_weight) {
    const at = way.mixed ? real.map((value, i) => made[i] + shares[i >> 1] * (value - made[i])) : real;
    const more = penaltyGradients(weights, at, spec, way);
    fine = penalty_weight * more.value;
    add(gradients, more.gradients, penalty_weight);
  }
  return { loss: total, penalty: fine, gradients };
}

/** How the generator's loss changes with each made point, (n, 2), each point by itself; and what the critic says of them. */
export function pushes(critic, made, spec, loss) {
  const layers = forward(critic, made, spec), logits = layers.at(-1).values, { slope } = LOSSES[loss].generator;
  return { logits, slopes: backward(critic, layers, logits.map(slope), spec, false).inputs };
}

/** The generator's loss and gradient for noise z, through a critic that stands still. */
export function generatorGradients(weights, critic, z, specs, loss) {
  const layers = forward(weights, z, specs.generator), made = layers.at(-1).values, n = made.length / 2;
  const { logits, slopes } = pushes(critic, made, specs.critic, loss);
  const { gradients } = backward(weights, layers, slopes.map((value) => value / n), specs.generator);
  return { loss: mean(logits, LOSSES[loss].generator.value), gradients };
}

/** Both networks, dense, with the same hidden layers: noise of two numbers to a point, and a point to one number. */
export function players({ hidden, activation }) {
  const activations = [...hidden.map(() => activation), "linear"];
  return { generator: { sizes: [2, ...hidden, 2], activations }, critic: { sizes: [2, ...hidden, 1], activations } };
}

const BATCH = 64, MOMENTUM = 0.5; // Adam's first constant, as is usual for these games

/** The game itself; the seed owns all that is drawn. The settings may change on the way, but for the networks and the seed. */
export function game({ hidden, activation, seed }) {
  const specs = players({ hidden, activation }), draw = random(~seed), normal = normals(draw);
  const weights = { generator: init(specs.generator.sizes, seed), critic: init(specs.critic.sizes, seed + 1000003) };
  const states = { generator: {}, critic: {} }, steps = { generator: 0, critic: 0 };
  const noise = (n) => new Float64Array(2 * n).map(normal);
  const make = (z) => forward(weights.generator, z, specs.generator).at(-1).values;
  const judge = (x) => forward(weights.critic, x, specs.critic).at(-1).values;
  const update = (who, gradients, rate) => {
    OPTIMISERS.adam(weights[who], gradients, states[who], rate, MOMENTUM);
    steps[who]++;
  };
  const critic = (points, settings) => {
    const real = new Float64Array(2 * BATCH);
    for (let b = 0; b < BATCH; b++) {
      const i = Math.floor((draw() * points.length) / 2);
      [real[2 * b], real[2 * b + 1]] = [points[2 * i], points[2 * i + 1]];
    }
    const shares = new Float64Array(BATCH).map(draw);
    update("critic", criticGradients(weights.critic, real, make(noise(BATCH)), shares, specs.critic, settings).gradients, settings.learning_rate);
    const { clip } = PENALTIES[settings.penalty];
    if (clip) for (const w of weights.critic) for (let i = 0; i < w.length; i++) w[i] = Math.max(-clip, Math.min(clip, w[i]));
  };
  const generator = (settings) =>
    update("generator", generatorGradients(weights.generator, weights.critic, noise(BATCH), specs, settings.loss).gradients, settings.learning_rate);
  return { weights, specs, steps, noise, make, judge, critic, generator };
}
