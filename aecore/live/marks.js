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

/** Draw an object's outline, `cell` px a pixel, and its name in the middle. A ghost is dotted, and tinted throughout. */
export function mark(context, inside, [height, width], cell, { colour, text, ghost = false }) {
  const place = middle(inside, width), segments = edges(inside, [height, width], cell);
  if (!place) return;
  if (ghost) {
    [context.globalAlpha, context.fillStyle] = [0.3, colour];
    inside.forEach((value, i) => value > 0.5 && context.fillRect((i % width) * cell, Math.floor(i / width) * cell, cell, cell));
    context.globalAlpha = 1;
  }
  context.lineCap = "round";
  lines(context, segments, "white", ghost ? 4 : 5);
  lines(context, segments, colour, ghost ? 2 : 3, ghost ? [1, 5] : []);
  const x = Math.max(RADIUS, Math.min(width * cell - RADIUS, (place[1] + 0.5) * cell)), y = Math.max(RADIUS, Math.min(height * cell - RADIUS, (place[0] + 0.5) * cell));
  context.beginPath();
  context.arc(x, y, RADIUS, 0, 7);
  [context.fillStyle, context.strokeStyle, context.lineWidth] = ["white", colour, 2];
  context.fill();
  context.setLineDash(ghost ? [2, 3] : []);
  context.stroke();
  context.setLineDash([]);
  [context.font, context.textAlign, context.textBaseline, context.fillStyle] = ["bold 12px sans-serif", "center", "middle", "#222"];
  context.fillText(text, x, y + 1);
}
