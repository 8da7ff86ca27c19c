// Decoders of slots: what each paints, a logit and a colour at every pixel, as in slot_decoders.py; and what they paint together.
import { fail, imageShape, list, number, whole } from "./state.js";
import { KINDS } from "./network.js";

export const FRAME = 4; // row, column, height, width: the first numbers of a slot
const REACH = 3, OUTSIDE = -8, BELLS = 5, LEAST = 1e-3, AREA = 256 * 256;

/** The middles of n pixels in a row, where the picture reaches from -1 to 1, as seen from a place, in sizes. */
const seen = (n, place, size) => Float64Array.from({ length: n }, (_, i) => ((2 * i + 1) / n - 1 - place) / Math.max(size, LEAST));

/** Between which two of the knots over [-reach, reach] each number lies, and how far along. */
const between = (r, knots, reach) => Array.from(r, (value) => {
  const at = ((Math.max(-reach, Math.min(reach, value)) + reach) * (knots - 1)) / (2 * reach), low = Math.min(knots - 2, Math.floor(at));
  return [low, at - low];
});

/** Linear interpolation both ways in a square of knots, given as `value(row, column)`. */
function hung(rows, columns, value, put) {
  rows.forEach(([i, f], y) => columns.forEach(([j, g], x) =>
    put(y * columns.length + x, (1 - f) * ((1 - g) * value(i, j) + g * value(i, j + 1)) + f * ((1 - g) * value(i + 1, j) + g * value(i + 1, j + 1)))));
}

/** Height, width and channels of the picture that a layer paints, small enough not to freeze the page. */
function sizes(layer) {
  const [height, width, channels] = imageShape(layer.shape, "The shape of what a slot paints");
  if (height * width > AREA) fail(`A slot must paint at most ${AREA} pixels, got ${height} x ${width}.`);
  return [height, width, channels];
}

/** One of a layer's own dense layers. */
const part = (weights, name, inputs, units) => KINDS.dense({ units }, [inputs], (field, size) => weights(`${name}_${field}`, size));

function colour(painted, channels, m, values, rows, columns) { // m x m knots of colours, from `values(knot, channel)` on
  for (let c = 0; c < channels; c++) {
    if (m === 1) for (let i = 0; i < rows.length * columns.length; i++) painted[i * (channels + 1) + 1 + c] = values(0, c) + 0.5;
    else {
      const [up, across] = [rows, columns].map((r) => between(r, m, REACH));
      hung(up, across, (i, j) => values(i * m + j, c), (i, value) => { painted[i * (channels + 1) + 1 + c] = value + 0.5; });
    }
  }
}

/** A canvas of logits and one of colours, hung at the slot's place in its size. */
function canvas(layer, [inputs], weights) {
  const [height, width, channels] = sizes(layer), p = whole(layer.knots, "The knots of a canvas", 4, 64), m = whole(layer.colours, "The knots of colours", 1, 64);
  const hidden = whole(layer.hidden, "The hidden units of a canvas", 1, 4096), d = whole(inputs - FRAME, "The features of a slot", 1, 4096);
  const read = part(weights, "read", d, hidden), heads = part(weights, "heads", hidden, 2 + p * p + m * m * channels);
  const painted = new Float64Array(height * width * (1 + channels));
  const run = (slot) => {
    const told = heads.run(read.run(slot.subarray(FRAME)).map((value) => Math.max(0, value)));
    const [rows, columns] = [height, width].map((n, axis) => seen(n, slot[axis], slot[2 + axis] * Math.exp(told[axis])));
    const edge = (i) => i === 0 || i === p - 1;
    hung(between(rows, p, REACH), between(columns, p, REACH), (i, j) => (edge(i) || edge(j) ? OUTSIDE : told[2 + i * p + j]), (i, value) => { painted[i * (1 + channels)] = value; });
    colour(painted, channels, m, (knot, c) => told[2 + p * p + knot * channels + c], rows, columns);
    return painted;
  };
  return { run, shape: [height, width, 1 + channels], work: d * hidden + hidden * (2 + p * p + m * m * channels) };
}

/** Colours of the ground between knots over the whole picture. */
function ground(layer, [inputs]) {
  const [height, width, channels] = sizes(layer), m = whole(layer.knots, "The knots of a ground", 2, 64), painted = new Float64Array(height * width * (1 + channels));
  if (inputs !== m * m * channels) fail(`A ground of ${m} x ${m} knots needs ${m * m * channels} numbers, got ${inputs}.`);
  const [rows, columns] = [height, width].map((n) => between(seen(n, 0, 1), m, 1));
  const run = (knots) => {
    for (let c = 0; c < channels; c++) hung(rows, columns, (i, j) => knots[(i * m + j) * channels + c], (i, value) => { painted[i * (1 + channels) + 1 + c] = value + 0.5; });
    return painted;
  };
  return { run, shape: [height, width, 1 + channels] };
}

/** A network that is asked at every pixel, which it is told as seen from the slot's frame, or from one that stays. */
function broadcast(layer, [inputs], weights) {
  const [height, width, channels] = sizes(layer), units = list(layer.hidden, "The hidden units of a broadcast decoder").map((n) => whole(n, "A size in the hidden units", 1, 512));
  if (!units.length) fail("The hidden units of a broadcast decoder must be a list of one or more.");
  const stays = layer.frame === undefined ? null : list(layer.frame, "The frame of a broadcast decoder", FRAME).map((value) => number(value, "A number of a frame"));
  const d = whole(inputs - (stays ? 0 : FRAME), "The features of a slot", 1, 4096), steps = [];
  const told = part(weights, "told", d, units[0]), placed = weights("placed", [2 * (BELLS + 1), units[0]]);
  units.forEach((n, i) => steps.push(part(weights, `layer_${i}`, n, units[i + 1] ?? 1 + channels)));
  const bells = (r, offset) => { // (1, bumps at -2 to 2) W
    const sums = Float64Array.from(placed.subarray(offset * units[0], (offset + 1) * units[0]));
    for (let b = 0; b < BELLS; b++) {
      const bump = Math.exp(-((r - (b - 2)) ** 2) / (2 * 0.6 ** 2));
      for (let u = 0; u < units[0]; u++) sums[u] += bump * placed[(offset + 1 + b) * units[0] + u];
    }
    return sums;
  };
  const run = (slot) => {
    const features = Float64Array.from(told.run(stays ? slot : slot.subarray(FRAME))), frame = stays ?? slot, painted = new Float64Array(height * width * (1 + channels));
    const [rows, columns] = [height, width].map((n, axis) => Array.from(seen(n, frame[axis], frame[2 + axis]), (r) => bells(r, axis * (BELLS + 1))));
    rows.forEach((row, y) => columns.forEach((column, x) => {
      let values = features.map((value, u) => value + row[u] + column[u]);
      for (const step of steps) values = step.run(values.map((value) => Math.max(0, value)));
      const at = (y * width + x) * (1 + channels);
      painted[at] = values[0];
      for (let c = 0; c < channels; c++) painted[at + 1 + c] = values[1 + c] + 0.5;
    }));
    return painted;
  };
  return { run, shape: [height, width, 1 + channels], work: height * width * steps.reduce((sum, { work }) => sum + work, 0) };
}

Object.assign(KINDS, { canvas, ground, broadcast });

/** What layers, (h, w, 1 + c) each or null where one is taken out, paint together: the picture, the masks, and whose each pixel is. */
export function painted(layers, n, channels) {
  const picture = new Float64Array(n * channels), masks = layers.map(() => new Float64Array(n)), whose = new Int8Array(n).fill(-1);
  for (let i = 0, at = 0; i < n; i++, at += 1 + channels) {
    let most = -Infinity, sum = 0;
    layers.forEach((layer, k) => { if (layer && layer[at] > most) [most, whose[i]] = [layer[at], k]; });
    layers.forEach((layer, k) => { if (layer) sum += masks[k][i] = Math.exp(layer[at] - most); });
    layers.forEach((layer, k) => {
      if (!layer) return;
      masks[k][i] /= sum;
      for (let c = 0; c < channels; c++) picture[i * channels + c] += masks[k][i] * layer[at + 1 + c];
    });
  }
  return { picture, masks, whose };
}
