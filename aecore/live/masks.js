// What figures of segmentation share: the outline of a mask on its picture, and how much two masks have in common.
import { lines } from "./run.js";

/** The lines between the pixels that are inside, above a half, and those that are not; `cell` px a pixel. */
export function edges(inside, [height, width], cell) {
  const segments = [], is = (y, x) => y >= 0 && x >= 0 && y < height && x < width && inside[y * width + x] > 0.5;
  for (let y = 0; y <= height; y++) for (let x = 0; x <= width; x++) {
    if (is(y, x) !== is(y - 1, x)) segments.push([[x * cell, y * cell], [(x + 1) * cell, y * cell]]);
    if (is(y, x) !== is(y, x - 1)) segments.push([[x * cell, y * cell], [x * cell, (y + 1) * cell]]);
  }
  return segments;
}

/** Stroke the outline of a mask. */
export function outline(context, inside, shape, cell, dashed = false) {
  const segments = edges(inside, shape, cell);
  context.lineCap = "round";
  lines(context, segments, "black", dashed ? 3 : 4);
  lines(context, segments, dashed ? "white" : "#ffe000", dashed ? 1.5 : 2, dashed ? [2, 3] : []);
  context.setLineDash([]);
}

/** Intersection over union of two masks, both cut at a half; 1 where both are empty. */
export function overlap(mask, truth) {
  let both = 0, either = 0;
  mask.forEach((p, i) => {
    both += p > 0.5 && truth[i] > 0.5;
    either += p > 0.5 || truth[i] > 0.5;
  });
  return either ? both / either : 1;
}
