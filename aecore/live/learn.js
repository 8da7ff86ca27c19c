// A dense autoencoder that learns, one batch at a time: what Keras does, in plain arrays. No part of it draws.
// Chapter 1 derives the way back (eq-linear-gradients): the residual goes to a kernel through its inputs, and on through the kernel transposed.
import { ACTIVATIONS, SLOPES } from "./network.js";
import { normals, random } from "./random.js";

/** What stands between input and output: sizes of the layers, activations, and after how many layers the code is. */
export function layout(inputs, hidden, codeSize, activation) {
  const sizes = [inputs, ...hidden, codeSize, ...[...hidden].reverse(), inputs], half = hidden.length + 1;
  return { sizes, half, activations: sizes.slice(1).map((_, i) => ((i + 1) % half ? activation : "linear")) };
}

/** Kernels by Glorot's uniform rule and biases of zero, in Keras' order: [kernel, bias, kernel, bias, ...]. */
export function init(sizes, seed) {
  const draw = random(seed);
  return sizes.slice(1).flatMap((to, i) => {
    const limit = Math.sqrt(6 / (sizes[i] + to));
    return [new Float64Array(sizes[i] * to).map(() => limit * (2 * draw() - 1)), new Float64Array(to)];
  });
}

/** Sums a = h W + b and values f(a) of every layer, for n examples. Returns: [{values: x}, {sums, values}, ...]. */
export function forward(weights, x, { sizes, activations }) {
  const n = x.length / sizes[0], layers = [{ values: x }];
  activations.forEach((name, l) => {
    const [from, to] = sizes.slice(l, l + 2), [kernel, bias] = weights.slice(2 * l, 2 * l + 2);
    const before = layers[l].values, sums = new Float64Array(n * to);
    for (let b = 0; b < n; b++) {
      sums.set(bias, b * to);
      for (let i = 0, at = 0; i < from; i++, at += to) {
        const value = before[b * from + i];
        for (let j = 0; j < to; j++) sums[b * to + j] += value * kernel[at + j];
      }
    }
    layers.push({ sums, values: name === "linear" ? sums : sums.map(ACTIVATIONS[name]) });
  });
  return layers;
}

/** The first or the second half of an autoencoder, to be run by itself. */
export const encoder = ({ sizes, half, activations }) => ({ sizes: sizes.slice(0, half + 1), activations: activations.slice(0, half) });
export const decoder = ({ sizes, half, activations }) => ({ sizes: sizes.slice(half), activations: activations.slice(half) });
export const encode = (weights, x, spec) => forward(weights, x, encoder(spec)).at(-1).values;
export const decode = (weights, codes, spec) => forward(weights.slice(2 * spec.half), codes, decoder(spec)).at(-1).values;

/** Squared error, summed over a point's numbers, mean over the points. */
export function squaredError(outputs, targets, n) {
  let sum = 0;
  for (let i = 0; i < outputs.length; i++) sum += (outputs[i] - targets[i]) ** 2;
  return sum / n;
}

/** The loss and its gradient by every weight, by going back through the layers. */
export function gradients(weights, x, spec, targets = x) {
  const { sizes, activations } = spec, layers = forward(weights, x, spec), n = x.length / sizes[0];
  const outputs = layers.at(-1).values, slopes = weights.map((w) => new Float64Array(w.length));
  let back = outputs.map((value, i) => (2 / n) * (value - targets[i])); // of the loss by a layer's values ...
  for (let l = activations.length - 1; l >= 0; l--) {
    const [from, to] = sizes.slice(l, l + 2), kernel = weights[2 * l], slope = SLOPES[activations[l]];
    const { sums, values } = layers[l + 1], before = layers[l].values, further = new Float64Array(n * from);
    for (let k = 0; k < back.length; k++) back[k] *= slope(sums[k], values[k]); // ... and by its sums
    for (let b = 0; b < n; b++) {
      for (let j = 0; j < to; j++) slopes[2 * l + 1][j] += back[b * to + j];
      for (let i = 0, at = 0; i < from; i++, at += to) {
        const value = before[b * from + i];
        let sum = 0;
        for (let j = 0; j < to; j++) {
          slopes[2 * l][at + j] += value * back[b * to + j];
          sum += kernel[at + j] * back[b * to + j];
        }
        further[b * from + i] = sum;
      }
    }
    back = further;
  }
  return { loss: squaredError(outputs, targets, n), gradients: slopes };
}

/** Steps that move `weights` in place, with Keras' constants. `state` begins as {}. */
export const OPTIMISERS = {
  adam(weights, slopes, state, rate) {
    state.means ??= weights.map((w) => new Float64Array(w.length));
    state.squares ??= weights.map((w) => new Float64Array(w.length));
    state.step = (state.step ?? 0) + 1;
    const corrected = (rate * Math.sqrt(1 - 0.999 ** state.step)) / (1 - 0.9 ** state.step);
    weights.forEach((w, k) => {
      const mean = state.means[k], square = state.squares[k], slope = slopes[k];
      for (let i = 0; i < w.length; i++) {
        mean[i] += 0.1 * (slope[i] - mean[i]);
        square[i] += 0.001 * (slope[i] ** 2 - square[i]);
        w[i] -= (corrected * mean[i]) / (Math.sqrt(square[i]) + 1e-7);
      }
    });
  },
  sgd: (weights, slopes, state, rate) => weights.forEach((w, k) => { for (let i = 0; i < w.length; i++) w[i] -= rate * slopes[k][i]; }),
};

/** Training of an autoencoder on points, (n, 2), in batches of 32, shuffled every epoch; the seed owns all that is drawn. */
export function training(x, { hidden, code_size, activation, seed }) {
  const spec = layout(2, hidden, code_size, activation), weights = init(spec.sizes, seed), draw = random(~seed), normal = normals(draw);
  const n = x.length / 2, order = Array.from({ length: n }, (_, i) => i), perEpoch = Math.ceil(n / 32);
  let steps = 0, state = {}, used;
  const step = ({ optimiser, learning_rate, noise }) => { // these may change on the way; the optimiser then starts afresh
    if (optimiser !== used) [state, used] = [{}, optimiser];
    const start = (steps % perEpoch) * 32;
    if (!start) for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(draw() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    const clean = Float64Array.from(order.slice(start, start + 32).flatMap((i) => [x[2 * i], x[2 * i + 1]]));
    const inputs = noise ? clean.map((value) => value + noise * normal()) : clean;
    OPTIMISERS[optimiser](weights, gradients(weights, inputs, spec, clean).gradients, state, learning_rate);
    steps++;
  };
  return { weights, step, codes: () => encode(weights, x, spec), outputs: (codes) => decode(weights, codes, spec), steps: () => steps, perEpoch };
}

/** PCA of points, (n, 2). Returns: mean, first direction, and the loss with a code of one: the other variance. */
export function pca(x) {
  const n = x.length / 2, mean = [0, 1].map((axis) => x.reduce((sum, value, i) => (i % 2 === axis ? sum + value / n : sum), 0));
  let xx = 0, xy = 0, yy = 0;
  for (let i = 0; i < n; i++) {
    const u = x[2 * i] - mean[0], v = x[2 * i + 1] - mean[1];
    [xx, xy, yy] = [xx + (u * u) / n, xy + (u * v) / n, yy + (v * v) / n];
  }
  const angle = Math.atan2(2 * xy, xx - yy) / 2; // of the first principal axis
  return { mean, direction: [Math.cos(angle), Math.sin(angle)], loss: (xx + yy - Math.hypot(xx - yy, 2 * xy)) / 2 };
}
