// Objects on a picture, each in its slot's colour and with its slot's number; what is hidden is a ghost.
import { edges } from "./masks.js";
import { lines } from "./run.js";

const RADIUS = 9;

/** The pixel inside that is nearest to the middle of them all, or null where there is none. */
function middle(inside, width) {
  const places = [];
  inside.forEach((value, i) => value > 0.5 && places.push([Math.floor(i / width), i % width]));
  if (!places.length) return null;
  const [row, column] = [0, 1].map((axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length);
  const far = ([y, x]) => (y - row) ** 2 + (x - column) ** 2;
  return places.reduce((best, place) => (far(place) < far(best) ? place : best));
}

/** Draw objects, {inside, colour, text, hidden}, `cell` px a pixel: outlines first, then names, if any, in their middles.
 *  One with `hidden` is a ghost: dotted, and tinted where it is hidden. */
export function marks(context, [height, width], cell, objects) {
  const within = (v, side) => Math.max(RADIUS, Math.min(side - RADIUS, v));
  context.lineCap = "round";
  for (const { inside, colour, hidden } of objects) {
    [context.globalAlpha, context.fillStyle] = [0.4, colour];
    hidden?.forEach((value, i) => {
      const [x, y] = [i % width, Math.floor(i / width)].map((v) => [Math.round(v * cell), Math.round((v + 1) * cell)]); // no seams
      if (value) context.fillRect(x[0], y[0], x[1] - x[0], y[1] - y[0]);
    });
    context.globalAlpha = 1;
    const segments = edges(inside, [height, width], cell);
    lines(context, segments, "white", hidden ? 4 : 5);
    lines(context, segments, colour, hidden ? 2 : 3, hidden ? [1, 5] : []);
    context.setLineDash([]);
  }
  [context.font, context.textAlign, context.textBaseline, context.lineWidth] = ["bold 12px sans-serif", "center", "middle", 2];
  for (const { inside, colour, text, hidden } of objects) {
    const place = text && middle(inside, width);
    if (!place) continue;
    const x = within((place[1] + 0.5) * cell, width * cell), y = within((place[0] + 0.5) * cell, height * cell);
    context.beginPath();
    context.arc(x, y, RADIUS, 0, 7);
    [context.fillStyle, context.strokeStyle] = ["white", colour];
    context.fill();
    context.setLineDash(hidden ? [2, 3] : []);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = "#222";
    context.fillText(text, x, y + 1);
  }
}
