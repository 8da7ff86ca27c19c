// What figures with examples share: what changed between two pictures, buttons with pictures, and work in slices.
import { h, picture } from "./ui.js";

/** A picture whose `draw` takes the values before and after: the second one, paled, in blue where it is brighter and in red where darker. */
export function comparison([height, width, channels], caption, size) {
  const part = picture([height, width, 3], caption, { size });
  const grey = (values, i) => { // of one pixel
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += Math.max(0, Math.min(1, values[i * channels + c]));
    return sum / channels;
  };
  const draw = (before, after) => {
    const rgb = new Float32Array(height * width * 3);
    for (let i = 0; i < height * width; i++) {
      const here = grey(after, i), rise = here - grey(before, i), much = Math.min(1, 1.5 * Math.abs(rise)), pale = 0.78 + 0.2 * here;
      (rise > 0 ? [0, 0.35, 0.85] : [0.8, 0.1, 0]).forEach((tint, c) => { rgb[3 * i + c] = (1 - much) * pale + much * tint; });
    }
    part.draw(rgb);
  };
  return { ...part, draw };
}

/** Pictures in rows and columns with one pixel between them, in one canvas that is as wide as its place. */
export function mosaic([height, width, channels], rows, columns) {
  const wide = columns * (width + 1) - 1, high = rows * (height + 1) - 1, part = picture([high, wide, channels], "");
  const values = new Float32Array(high * wide * channels).fill(1);
  part.canvas.style.width = "100%";
  const put = (row, column, one) => {
    for (let y = 0; y < height; y++)
      values.set(one.subarray(y * width * channels, (y + 1) * width * channels), ((row * (height + 1) + y) * wide + column * (width + 1)) * channels);
  };
  const under = (event) => { // [row, column] of the picture below the pointer
    const box = part.canvas.getBoundingClientRect(), share = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    return [rows, columns].map((count, i) => Math.max(0, Math.min(count - 1, Math.floor(share[i] * count))));
  };
  const frame = (row, column) => ({ left: (column * (width + 1)) / wide, top: (row * (height + 1)) / high, width: width / wide, height: height / high }); // in shares
  return { canvas: part.canvas, put, paint: () => part.draw(values), under, frame };
}

/** Buttons with pictures of examples, (n, ...shape); the chosen one is pressed. `choose(i)` is called with its number. */
export function gallery(values, shape, choose, name) {
  const length = shape[0] * shape[1] * shape[2];
  const buttons = Array.from({ length: values.length / length }, (_, i) => {
    const part = picture(shape, "", { size: 44 });
    part.draw(values.subarray(i * length, (i + 1) * length));
    part.canvas.setAttribute("aria-hidden", "true");
    return h("button", { type: "button", class: "pair", "aria-label": `${name} ${i + 1}`, onclick: () => choose(i) }, part.canvas);
  });
  return { buttons, press: (chosen) => buttons.forEach((element, i) => element.setAttribute("aria-pressed", i === chosen)) };
}

/** Do a list of things, for `most` ms in each frame, so that the page stays awake; a newer list takes the older one's place. */
export function paced(most = 12) {
  let tasks = [], frame = null;
  const work = (slice) => {
    const until = performance.now() + slice;
    do tasks.shift()?.(); while (tasks.length && performance.now() < until);
    frame = tasks.length ? requestAnimationFrame(() => work(most)) : null;
  };
  return (next, slice = most) => {
    cancelAnimationFrame(frame);
    tasks = next;
    work(slice);
  };
}
