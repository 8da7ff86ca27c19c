// What a game on the plane looks like: what the critic says of every place, data, made points, and where these are pushed to.
import { sigmoid } from "./network.js";
import { arrow, axes, line, range, short } from "./run.js";

const GRID = 44, ARROW = 34, MANY = 90; // places on a side; px that no arrow is longer than; how many
const MADE = [250, 202, 160], DATA = [168, 206, 238]; // behind points that the critic takes for made, and for data

/** What the critic says of places, as a share: 0 where it is sure of made points, 1 where it is sure of data. */
function shades(logits, loss) {
  if (loss === "least squares") return logits.map((d) => Math.max(0, Math.min(1, d)));
  if (loss === "hinge") return logits.map((d) => Math.max(0, Math.min(1, (d + 1) / 2)));
  if (loss !== "Wasserstein") return logits.map(sigmoid);
  const [low, high] = range(logits); // only differences count
  return logits.map((d) => (high > low ? (d - low) / (high - low) : 0.5));
}

/** The places in whose middles the critic is asked, row by row from the top left, for a view that ends at +-half. */
export function places(half) {
  const at = (i) => half * ((2 * i + 1) / GRID - 1), all = new Float64Array(2 * GRID * GRID);
  for (let i = 0; i < GRID * GRID; i++) [all[2 * i], all[2 * i + 1]] = [at(i % GRID), -at(Math.floor(i / GRID))];
  return all;
}

const small = document.createElement("canvas");
small.width = small.height = GRID;

function background(context, size, values) {
  const inner = small.getContext("2d"), pixels = inner.createImageData(GRID, GRID);
  values.forEach((share, i) => {
    const [end, fade] = share > 0.5 ? [DATA, 2 * share - 1] : [MADE, 1 - 2 * share];
    pixels.data.set([...end.map((c) => 255 + fade * (c - 255)), 255], 4 * i);
  });
  inner.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, size, size);
}

/** Draw it all. logits: of `places(half)`, or null; slopes: of the generator's loss by the made points, or null; pen: a place, or null. */
export function drawArena(context, size, half, { data, made, logits, slopes, loss, pen }) {
  const view = (x, y) => [(0.5 + x / half / 2) * size, (0.5 - y / half / 2) * size];
  const each = (points, draw) => { for (let i = 0; i < points.length; i += 2) draw(...view(points[i], points[i + 1]), i); };
  context.clearRect(0, 0, size, size);
  context.setLineDash([]);
  if (logits) background(context, size, shades(logits, loss));
  context.fillStyle = "rgb(0 80 140 / 0.55)";
  each(data, (x, y) => { context.beginPath(); context.arc(x, y, 2, 0, 7); context.fill(); });
  if (slopes) {
    [context.strokeStyle, context.lineWidth] = ["#222", 1];
    context.beginPath();
    each(made.subarray(0, 2 * MANY), (x, y, i) => { // downhill; half of the longest where the slope is one, so that one which vanishes is seen to
      const much = ARROW / (1 + Math.hypot(slopes[i], slopes[i + 1]));
      arrow(context, x, y, -much * slopes[i], much * slopes[i + 1]); // the canvas counts downwards
    });
    context.stroke();
  }
  [context.fillStyle, context.strokeStyle, context.lineWidth] = ["#b34000", "white", 0.8];
  each(made, (x, y) => {
    context.beginPath();
    for (const [u, v] of [[0, -4], [3.4, 0], [0, 4], [-3.4, 0]]) context.lineTo(x + u, y + v);
    context.closePath();
    context.fill();
    context.stroke();
  });
  if (!pen) return;
  [context.strokeStyle, context.lineWidth] = ["#222", 2];
  const [x, y] = view(...pen);
  context.strokeRect(x - 6, y - 6, 12, 12);
}

/** Round numbers from low to high, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough)), step = power * [1, 2, 5, 10].find((s) => s * power >= rough);
  return Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, i) => +((Math.ceil(low / step) + i) * step).toPrecision(9));
}

/** Both losses so far: history is [updates, critic's, generator's]. */
export function drawLosses(context, [width, height], history) {
  const [low, high] = range(history.flatMap(([, critic, generator]) => [critic, generator])), margin = 0.06 * (high - low) || 0.5;
  const [bottom, top] = [low - margin, high + margin], last = Math.max(100, history.at(-1)[0]), box = [52, 8, width - 16, height - 34];
  const across = (n) => box[0] + (n / last) * (box[2] - box[0]), up = (value) => box[1] + ((top - value) / (top - bottom)) * (box[3] - box[1]);
  axes(context, [width, height], box, {
    x: ticks(0, last, 4).map((n) => [across(n), n]),
    y: ticks(bottom, top, 4).map((value) => [up(value), short(value)]),
  }, { x: "updates of both players", y: "loss" });
  line(context, history.map(([n, , value]) => [across(n), up(value)]), "#b34000", 1.6, [5, 3]);
  line(context, history.map(([n, value]) => [across(n), up(value)]), "#0072b2", 1.6);
  context.setLineDash([]);
}
