// What the figures that train in the page share: running while one watches, lines and axes, and how settings are read.
import { fail, number } from "./state.js";
import { button, t } from "./ui.js";

/** Something that goes on from one picture to the next until it is stopped: `tick` is called before each.
 *  `pause` is called by the button and where nobody looks any more, `rest` where the figure has left the page; both end in `stop`. */
export function runner(root, { tick, pause, rest, ready }) {
  let frame = null;
  const next = () => {
    if (!root.isConnected) return rest();
    frame = requestAnimationFrame(next); // before the tick, which may stop it
    tick();
  };
  const element = button("Play", () => {
    if (frame !== null) return pause();
    if (!ready()) return;
    element.textContent = t("Pause");
    document.addEventListener("visibilitychange", pause);
    frame = requestAnimationFrame(next);
  });
  const stop = () => {
    cancelAnimationFrame(frame);
    frame = null;
    document.removeEventListener("visibilitychange", pause);
    element.textContent = t("Play");
  };
  return { element, stop, running: () => frame !== null };
}

/** Call `step` until it has been called `steps` times or `most` ms have passed, at least once. */
export function during(steps, most, step) {
  const until = performance.now() + most;
  do step(); while (--steps > 0 && performance.now() < until);
}

export const layers = (hidden) => hidden.join(" + ") || "none";
export const short = (value) => (value === 0 || Math.abs(value) >= 1e-3 ? String(+value.toPrecision(3)) : value.toExponential(1));
export const among = (value, options, name) => options.includes(value) ? value : fail(`${name} must be one of ${options.join(", ")}, got ${JSON.stringify(value)}.`);
export const within = (value, low, high, name) => number(value, name) >= low && value <= high ? value : fail(`${name} must be from ${low} to ${high}, got ${value}.`);
export const range = (values) => [Math.min(...values), Math.max(...values)];

export function lines(context, all, style, width, dash = []) {
  context.beginPath();
  for (const points of all) points.forEach((point, i) => (i ? context.lineTo(...point) : context.moveTo(...point)));
  [context.strokeStyle, context.lineWidth] = [style, width];
  context.setLineDash(dash);
  context.stroke();
}

export const line = (context, points, ...how) => lines(context, [points], ...how);

/** An arrow from a place, (dx, dy) long in px, to be stroked with others. */
export function arrow(context, x, y, dx, dy) {
  const length = Math.hypot(dx, dy), head = Math.min(5, length / 2) / length, [ex, ey] = [x + dx, y + dy];
  if (!(length > 0.7)) return;
  context.moveTo(x, y);
  context.lineTo(ex, ey);
  for (const side of [-0.6, 0.6]) {
    context.moveTo(ex, ey);
    context.lineTo(ex - head * (dx - side * dy), ey - head * (dy + side * dx));
  }
}

/** Clear a chart and draw its axes: ticks are [place on the canvas, text]; `box` is [left, top, right, bottom] of what is between them. */
export function axes(context, [width, height], [left, top, right, bottom], ticks, names) {
  const write = (text, x, y, align = "center") => { context.textAlign = align; context.fillText(text, x, y); };
  context.clearRect(0, 0, width, height);
  [context.lineJoin, context.font, context.fillStyle, context.textBaseline] = ["round", "12px sans-serif", "#222", "middle"];
  for (const [y, text] of ticks.y) {
    line(context, [[left, y], [right, y]], "#ddd", 1);
    write(text, left - 5, y, "right");
  }
  for (const [x, text] of ticks.x) {
    line(context, [[x, top], [x, bottom]], "#ddd", 1);
    write(text, x, bottom + 10);
  }
  write(t(names.x), (left + right) / 2, height - 7);
  context.save();
  context.translate(9, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  write(t(names.y), 0, 0);
  context.restore();
}
