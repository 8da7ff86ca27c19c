// A scene of slots: pick one, see its mask and its part; move its object, take it out, bring it back. The decoder paints what comes of it.
import { array, fail, imageShape, list, number, texts, whole } from "./state.js";
import { network, sigmoid } from "./network.js";
import { gallery } from "./compare.js";
import { outline } from "./masks.js";
import { marks } from "./marks.js";
import { FRAME, painted } from "./slots.js";
import { announcer, arrows, button, dragging, figure, h, picture, plot, slider, t, tick, translate } from "./ui.js";

translate({
  "Choose a picture": "选择一幅图像", "Choose a slot": "选择一个槽", slot: "槽", ground: "背景", "out": "已移除", "is taken out": "已移除",
  "Scene: a click picks a slot, dragging moves its object; or Enter picks the next slot, arrow keys move its object, Delete takes it out and brings it back":
    "场景：单击选取一个槽，拖动可移动其物体；或用 Enter 键选取下一个槽，用方向键移动其物体，用 Delete 键移除或恢复物体",
  "Click an object and drag it, take it out, or move the four numbers of its frame: the decoder paints the scene anew.": "单击并拖动一个物体，将其移除，或调整其框架的四个数值：解码器会重新绘制场景。",
  "picture x": "图像 x", "mask of the slot": "该槽的掩膜", "part: what the slot paints": "部分：该槽所绘内容", "every slot's number and outline": "每个槽的编号和轮廓",
  "Take out": "移除", "Bring back": "恢复", "As encoded": "恢复为编码结果", row: "行", column: "列", height: "高", width: "宽", "of the picture": "占图像",
  "mean squared error of the scene": "场景的均方误差", "The ground has no place.": "背景没有位置。",
});

const SIZE = 288, THUMB = 44, MAP = 124, HANDLES = ["row", "column", "height", "width"], ENDS = [[-1, 1], [-1, 1], [0.08, 0.5], [0.08, 0.5]];

export function build(spec, data, model, root) {
  const pictures = array(spec.pictures, "pictures", data, [null, null, null, null]), many = whole(spec.pictures.shape[0], "The number of pictures", 1, 20);
  const shape = imageShape(spec.pictures.shape.slice(1), "the shape of pictures"), [height, width, channels] = shape, n = height * width, flat = [height, width, 1];
  const objects = network(spec.objects, "objects", data), ground = spec.ground === undefined ? null : network(spec.ground, "ground", data);
  const size = whole(objects.input[0], "The size of a slot", FRAME + 1, 4096), first = ground ? 1 : 0, colours = texts(spec.colours, "colours");
  for (const [name, net, inputs] of [["objects", objects, size], ...(ground ? [["ground", ground, size - FRAME]] : [])])
    if (String(net.input) !== String(inputs) || String(net.output) !== String([height, width, 1 + channels]))
      fail(`${name} must turn ${inputs} numbers into (${height}, ${width}, ${1 + channels}), got (${net.input.join(", ")}) into (${net.output.join(", ")}).`);
  const k = whole(spec.slots?.shape?.[1], "The number of slots", first + 1, 16), encoded = array(spec.slots, "slots", data, [many, k, size]);
  const called = (j) => (j < first ? t("ground") : `${t("slot")} ${j}`), colour = (j) => colours[j % colours.length];
  let shown = 0, picked = first, codes, out, layers, scene, telling = false;

  // ---- the scene
  const slot = (j) => codes.subarray(j * size, (j + 1) * size);
  const paint = (j) => { layers[j] = j < first ? ground.run(slot(j).subarray(FRAME)) : objects.run(slot(j)); };
  const compose = () => { scene = painted(layers.map((layer, j) => (out.has(j) ? null : layer)), n, channels); };
  const at = (values, i, count) => values.subarray(i * count, (i + 1) * count);
  const mine = (j) => Float32Array.from(scene.whose, (whose) => +(whose === j));

  const tall = (SIZE * height) / width, cell = SIZE / width;
  const board = plot(SIZE, tall, { tabindex: 0, role: "application",
    "aria-label": t("Scene: a click picks a slot, dragging moves its object; or Enter picks the next slot, arrow keys move its object, Delete takes it out and brings it back") });
  const paper = picture(shape, ""), given = picture(shape, "picture x", { size: MAP }), mask = picture(flat, "mask of the slot", { size: MAP }), part = picture(shape, "part: what the slot paints", { size: MAP });
  const readout = h("p", { class: "readout" }), error = h("p", { class: "result" }), spoken = announcer();

  const cut = (j) => { // what a slot paints where it does, on a chequered ground; of one that is out, what it would paint alone
    const layer = layers[j], values = new Float32Array(n * channels);
    for (let i = 0; i < n; i++) {
      const paper = (Math.floor(i / width / 4) + Math.floor((i % width) / 4)) % 2 ? 0.8 : 0.95, share = out.has(j) ? sigmoid(layer[i * (1 + channels)]) : scene.masks[j][i];
      for (let c = 0; c < channels; c++) values[i * channels + c] = share * layer[i * (1 + channels) + 1 + c] + (1 - share) * paper;
    }
    return values;
  };
  const draw = () => {
    const { context } = board;
    paper.draw(scene.picture);
    context.imageSmoothingEnabled = false;
    context.drawImage(paper.canvas, 0, 0, SIZE, tall);
    const all = layers.map((_, j) => ({ inside: mine(j), colour: colour(j), text: String(j) }));
    if (numbered.input.checked) marks(context, [height, width], cell, all.slice(first));
    outline(context, mine(picked), [height, width], cell);
    if (picked < first || out.has(picked)) return;
    const [row, column] = slot(picked), [x, y] = [((column + 1) / 2) * SIZE, ((row + 1) / 2) * tall];
    for (const [wide, ink] of [[5, "black"], [2, "#ffe000"]]) { // its place, seen or not
      [context.lineWidth, context.strokeStyle] = [wide, ink];
      context.beginPath();
      context.moveTo(x - 7, y);
      context.lineTo(x + 7, y);
      context.moveTo(x, y - 7);
      context.lineTo(x, y + 7);
      context.stroke();
    }
  };
  const pixels = (axis, value) => ((axis < 2 ? ((value + 1) / 2) * shape[axis] - 0.5 : (value / 2) * shape[axis - 2])).toFixed(1);
  const show = () => {
    compose();
    draw();
    mask.draw(scene.masks[picked]);
    part.draw(cut(picked));
    thumbs.forEach((thumb, j) => {
      thumb.part.draw(cut(j));
      thumb.text.textContent = `${j < first ? t("ground") : j}${out.has(j) ? `: ${t("out")}` : ""}`;
      thumb.element.setAttribute("aria-pressed", j === picked);
      thumb.element.setAttribute("aria-label", `${called(j)}${out.has(j) ? `: ${t("out")}` : ""}`);
    });
    const share = scene.masks[picked].reduce((a, b) => a + b, 0) / n, grounded = picked < first, gone = out.has(picked);
    handles.forEach((handle, axis) => {
      handle.input.disabled = grounded || gone;
      handle.set(slot(picked)[axis]);
    });
    remove.disabled = grounded;
    remove.textContent = t(gone ? "Bring back" : "Take out");
    readout.textContent = gone ? `${called(picked)} ${t("is taken out")}` : `${called(picked)}: ${(100 * share).toFixed(1)} % ${t("of the picture")}${grounded ? `. ${t("The ground has no place.")}` : ""}`;
    const x = at(pictures, shown, n * channels), off = scene.picture.reduce((sum, value, i) => sum + (value - x[i]) ** 2, 0) / (n * channels);
    error.textContent = `${t("mean squared error of the scene")}: ${off.toFixed(4)}`;
    spoken.say(`${readout.textContent}${grounded || gone ? "" : `, ${HANDLES.slice(0, 2).map((name, axis) => `${t(name)} ${pixels(axis, slot(picked)[axis])}`).join(", ")}`}. ${error.textContent}`);
  };
  const tell = () => {
    telling = true;
    for (const [name, value] of Object.entries({ picture: shown, slot: picked, codes: Array.from(codes), out: [...out].sort((a, b) => a - b) })) model.set(name, value);
    model.save_changes();
    telling = false;
  };
  const done = () => { show(); tell(); };

  // ---- what the reader does
  const change = (axis, value) => {
    if (picked < first || out.has(picked)) return;
    slot(picked)[axis] = Math.max(ENDS[axis][0], Math.min(ENDS[axis][1], value));
    paint(picked);
  };
  const place = (row, column) => {
    change(0, row);
    change(1, column);
    done();
  };
  const pick = (next) => {
    picked = next;
    done();
  };
  const toggle = () => {
    if (picked < first) return;
    if (!out.delete(picked)) {
      if (out.size === k - 1) return; // nothing would be left to paint the picture
      out.add(picked);
    }
    done();
  };
  const open = (next, told = []) => {
    shown = next;
    codes = Float32Array.from(told.length ? told : at(encoded, shown, k * size));
    layers = [];
    for (let j = 0; j < k; j++) paint(j);
    faces.press(shown);
    given.draw(at(pictures, shown, n * channels));
  };
  const choose = (next) => {
    out = new Set();
    open(next);
    done();
  };

  const numbered = tick("every slot's number and outline", false, () => draw());
  const faces = gallery(pictures, shape, choose, t("picture"));
  const thumbs = Array.from({ length: k }, (_, j) => {
    const part = picture(shape, "", { size: THUMB }), text = h("span", { class: "caption" });
    part.canvas.setAttribute("aria-hidden", "true");
    return { part, text, element: h("button", { type: "button", class: "pair", onclick: () => pick(j) }, part.canvas, text) };
  });
  const handles = HANDLES.map((name, axis) => slider(name, { min: ENDS[axis][0], max: ENDS[axis][1], step: 1e-3, value: 0.25, show: (v) => pixels(axis, v) }, (value) => { change(axis, value); done(); }));
  const remove = button("Take out", toggle);

  let from = null; // where a drag began: the pointer, and the object's place
  dragging(board, (x, y, begins) => {
    if (begins) {
      const [i, j] = [[y, tall, height], [x, SIZE, width]].map(([v, side, count]) => Math.max(0, Math.min(count - 1, Math.floor((v / side) * count))));
      picked = scene.whose[i * width + j];
      from = { x, y, place: slot(picked).slice(0, 2) };
      return done();
    }
    place(from.place[0] + (2 * (y - from.y)) / tall, from.place[1] + (2 * (x - from.x)) / SIZE);
  });
  arrows(board.canvas, (dx, dy) => place(slot(picked)[0] + (2 * dy) / height, slot(picked)[1] + (2 * dx) / width),
    { Enter: () => pick((picked + 1) % k), Delete: toggle, Backspace: toggle });

  root.append(
    h("div", { class: "strip", role: "group", "aria-label": t("Choose a picture") }, ...faces.buttons),
    h("p", { class: "result" }, t("Click an object and drag it, take it out, or move the four numbers of its frame: the decoder paints the scene anew.")),
    h("div", { class: "beside" },
      h("div", { class: "stack narrow" }, board.canvas, h("div", { class: "draws" }, remove, button("As encoded", () => choose(shown)), numbered.element)),
      h("div", { class: "stack" },
        h("div", { class: "strip", role: "group", "aria-label": t("Choose a slot") }, ...thumbs.map(({ element }) => element)),
        readout, h("div", { class: "maps" }, given.element, mask.element, part.element),
        h("div", { class: "dials" }, ...handles.map(({ element }) => element)), error)),
    spoken.element);
  const heed = () => { // what another view or Python has set
    if (telling) return;
    const next = whole(model.get("picture"), "picture", 0, many - 1), told = list(model.get("codes"), "codes");
    if (told.length) list(told, "codes", k * size);
    told.forEach((value) => number(value, "A number of the codes"));
    const gone = new Set(list(model.get("out"), "out").map((j) => whole(j, "A slot that is taken out", first, k - 1)));
    if (gone.size === k) fail("out must leave a slot to paint the picture.");
    picked = whole(model.get("slot"), "slot", -1, k - 1);
    if (picked < 0) picked = first;
    out = gone;
    const other = codes && next !== shown; // its codes are not those that stand there
    open(next, other ? [] : told);
    (other ? done : show)();
  };
  heed();
  for (const name of ["picture", "slot", "codes", "out"]) model.on(`change:${name}`, heed);
}

export default figure(build);
