// Draw and reconstruct: a drawing goes through encoder and decoder while it is drawn; sliders move single code units.
import { array, fail, imageShape, list, number, whole } from "./state.js";
import { network } from "./network.js";
import { announcer, arrows, button, dragging, figure, h, picture, plot, slider, t, translate } from "./ui.js";

translate({
  "Drawing area: draw with the pointer; or arrow keys move the pen, space puts it down and lifts it, Delete clears":
    "绘图区：用指针绘制；或用方向键移动画笔，空格键落笔和抬笔，Delete 键清除",
  "error (red: missing, blue: added)": "误差（红：缺失，蓝：多余）", "what the encoder sees": "编码器所见", "Draw here": "在此绘制", "Next example": "下一个示例",
});

const SIZE = 224;

export function build(spec, data, model, root) {
  const encoder = network(spec.encoder, "encoder", data), decoder = network(spec.decoder, "decoder", data);
  const shape = imageShape(encoder.input, "the input of the encoder"), [height, width, channels] = shape;
  if (channels !== 1) fail("Drawing needs pictures with one channel.");
  if (String(decoder.output) !== String(shape)) fail(`The decoder must give (${shape.join(", ")}), got (${decoder.output.join(", ")}).`);
  const units = whole(encoder.output[0], "The size of the code", 1, 64);
  if (encoder.output.length !== 1 || String(decoder.input) !== String(units)) fail(`The decoder must take the encoder's ${units} numbers.`);
  const ranges = list(spec.ranges, "ranges", units).map((ends) => list(ends, "A range", 2).map((end) => number(end, "An end of a range")));
  const examples = array(spec.examples, "examples", data, [null, ...shape]), pixels = height * width;
  const many = whole(examples.length / pixels, "The number of examples", 1, 1000);

  // The drawing is finer than the picture: each pixel is the share of its area that is covered.
  const fine = Math.max(1, Math.round(96 / Math.max(height, width))), ink = new Float32Array(pixels * fine * fine);
  const seen = new Float64Array(pixels), reach = (number(spec.pen, "pen") * width * fine) / 2;
  if (spec.pen <= 0 || spec.pen > 1) fail(`pen must be a share of the width, above 0 and at most 1, got ${spec.pen}.`);
  const stamp = (x, y) => {
    for (let i = Math.max(0, Math.ceil(y - reach)); i <= Math.min(height * fine - 1, y + reach); i++)
      for (let j = Math.max(0, Math.ceil(x - reach)); j <= Math.min(width * fine - 1, x + reach); j++)
        if ((i - y) ** 2 + (j - x) ** 2 <= reach * reach) ink[i * width * fine + j] = 1;
  };
  const look = () => {
    seen.fill(0);
    for (let i = 0, at = 0; i < height * fine; i++)
      for (let j = 0; j < width * fine; j++) seen[Math.floor(i / fine) * width + Math.floor(j / fine)] += ink[at++] / (fine * fine);
  };

  const area = plot(SIZE, (SIZE * height) / width, { tabindex: 0, role: "application",
    "aria-label": t("Drawing area: draw with the pointer; or arrow keys move the pen, space puts it down and lifts it, Delete clears") });
  const paper = picture([height * fine, width * fine, 1], "");
  const pictures = { "what the encoder sees": picture(shape, "what the encoder sees", { size: 120 }),
    reconstruction: picture(shape, "reconstruction", { size: 120 }),
    error: picture(shape, "error (red: missing, blue: added)", { size: 120, signed: true }) };
  const result = h("p", { class: "result" }), spoken = announcer();
  let pen = [width * fine / 2, height * fine / 2], down = false, focused = false, last = null, example = -1, code;

  const paint = () => {
    paper.draw(ink);
    const { context } = area, tall = (SIZE * height) / width;
    context.imageSmoothingEnabled = false;
    context.drawImage(paper.canvas, 0, 0, SIZE, tall);
    if (!focused) return;
    context.strokeStyle = down ? "#e69f00" : "#56b4e9";
    context.lineWidth = 2;
    context.strokeRect((pen[0] / (width * fine)) * SIZE - 5, (pen[1] / (height * fine)) * tall - 5, 10, 10);
  };
  const decode = () => {
    const rebuilt = decoder.run(code);
    const error = seen.map((value, i) => value - rebuilt[i]), sum = error.reduce((total, e) => total + e * e, 0);
    pictures.reconstruction.draw(rebuilt);
    pictures.error.draw(error);
    result.textContent = `${t("squared error")} ${sum.toFixed(2)}`;
    spoken.say(`${t("squared error")} ${sum.toFixed(2)}; ${t("code")} ${Array.from(code, (v) => v.toFixed(1)).join(", ")}`);
  };
  const encode = () => {
    look();
    paint();
    pictures["what the encoder sees"].draw(seen);
    code = Array.from(encoder.run(seen));
    decode();
    sliders.forEach((unit, i) => unit.set(code[i]));
  };
  const tell = () => {
    model.set("picture", Array.from(seen));
    model.set("code", [...code]); // a copy: the sliders change ours in place
    model.save_changes();
  };
  const line = (from, to) => {
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let s = 0; s <= steps; s++) stamp(...[0, 1].map((i) => from[i] + (s / steps) * (to[i] - from[i])));
  };
  const clear = () => {
    ink.fill(0);
    encode();
    tell();
  };
  const take = (values) => {
    for (let i = 0, at = 0; i < height * fine; i++)
      for (let j = 0; j < width * fine; j++) ink[at++] = values[Math.floor(i / fine) * width + Math.floor(j / fine)];
    encode();
  };
  const next = () => {
    example = (example + 1) % many;
    take(examples.subarray(example * pixels, (example + 1) * pixels));
    tell();
  };
  const sliders = ranges.map(([min, max], i) => slider(`${t("code unit")} ${i + 1}`, { min, max, step: (max - min) / 200, value: 0 }, (value) => {
    code[i] = value;
    decode();
    model.set("code", [...code]);
    model.save_changes();
  }));

  dragging(area, (x, y, first) => {
    pen = [(x / SIZE) * width * fine, (y / ((SIZE * height) / width)) * height * fine];
    line(first ? pen : last, pen);
    last = pen;
    encode();
  });
  area.canvas.addEventListener("pointerup", tell);
  const lower = () => {
    down = !down;
    if (down) stamp(...pen);
    encode();
    tell();
  };
  arrows(area.canvas, (dx, dy) => {
    const before = pen, step = fine / 2;
    pen = [Math.max(0, Math.min(width * fine - 1, pen[0] + dx * step)), Math.max(0, Math.min(height * fine - 1, pen[1] + dy * step))];
    if (!down) return paint();
    line(before, pen);
    encode();
    tell();
  }, { " ": lower, Delete: clear, Backspace: clear });
  for (const [event, is] of [["focus", true], ["blur", false]])
    area.canvas.addEventListener(event, () => { focused = is; down = false; paint(); });

  root.append(
    h("div", { class: "beside" },
      h("figure", {}, area.canvas, h("figcaption", {}, t("Draw here"))),
      ...Object.values(pictures).map((part) => part.element)),
    h("div", { class: "beside" }, button("Next example", next), button("Clear", clear), result),
    h("div", { class: "sliders" }, ...sliders.map((unit) => unit.element)), spoken.element);
  const given = () => (model.get("picture")?.length === pixels ? model.get("picture") : null);
  if (given()) take(given()); // drawn in another view, or from Python
  else next();
  model.on("change:picture", () => given() && String(given()) !== String(Array.from(seen)) && take(given()));
  model.on("change:code", () => {
    const wanted = model.get("code");
    if (wanted?.length !== units || wanted.every((value, i) => value === code[i])) return;
    code = [...wanted];
    sliders.forEach((unit, i) => unit.set(code[i]));
    decode();
  });
}

export default figure(build);
