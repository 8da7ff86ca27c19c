// Tokens: the grid of codebook entries that stands for a picture; change one and see the decoder redraw.
import { array, fail, imageShape, list, whole } from "./state.js";
import { network } from "./network.js";
import { comparison, gallery } from "./compare.js";
import { announcer, arrows, button, figure, h, picture, plot, slider, t, translate } from "./ui.js";

translate({
  example: "样本", "Choose an example": "选择一个样本", token: "词元", cell: "格", row: "行", column: "列", "was": "原为", unused: "未使用", used: "使用次数", times: "",
  "tokens, each as the patch it stands for": "词元（各以其所代表的图块显示）", "decoded from these tokens": "由这些词元解码",
  "change (blue: up, red: down)": "变化（蓝：变亮，红：变暗）", "Back to the example": "回到该样本", "Back to the sample": "回到该抽样",
  "Next sample of the prior": "先验的下一个抽样", "A sample that the prior drew before this page was made:": "先验在生成此页之前抽取的样本：",
  "pixels changed": "像素已变化", of: "/", "cells changed": "格已改",
  "Codebook, most used first: choose a token for the cell": "码本（最常用者在前）：为该格选择词元",
  "Grid of tokens: choose a cell with the pointer or the arrow keys; plus and minus change its token, Delete puts the old one back":
    "词元网格：用指针或方向键选择一格；加号和减号键更改其词元，Delete 键恢复原来的词元",
  "codes in use": "个码在用", "Dashed: never used by these data.": "虚线：这些数据从未使用。",
});

const SIDE = 210;

export function build(spec, data, model, root) {
  const decoder = network(spec.decoder, "decoder", data), [rows, columns] = list(decoder.input, "The input of the decoder", 2);
  const cells = rows * columns, codes = whole(spec.decoder.layers[0].codes, "The number of codes", 1, 4096);
  if (cells > 1024) fail(`A grid must have at most 1024 cells, got ${cells}.`);
  const shape = imageShape(decoder.output, "the output of the decoder"), [height, width, channels] = shape, pixels = height * width;
  const grids = (field) => {
    const values = array(spec[field], field, data, [null, rows, columns]);
    return Array.from({ length: whole(spec[field].shape[0], `The number of ${field}`, 1, 100) }, (_, i) =>
      Array.from(values.subarray(i * cells, (i + 1) * cells), (token) => whole(token, `A token in ${field}`, 0, codes - 1)));
  };
  const tokens = grids("tokens"), samples = spec.samples === undefined ? [] : grids("samples");
  const examples = array(spec.examples, "examples", data, [tokens.length, ...shape]);
  const used = list(spec.used, "used", codes).map((count) => whole(count, "A count in used", 0, Number.MAX_SAFE_INTEGER));
  const patches = array(spec.patches, "patches", data, [codes, null, null, channels]);
  const patch = imageShape(spec.patches.shape.slice(1), "the shape of patches"), [ph, pw] = patch;
  whole(codes * ph, "The height of all patches, one below the other,", 1, 30000); // more than a canvas can hold
  const order = used.map((_, k) => k).sort((a, b) => used[b] - used[a] || a - b), placeOf = [];
  order.forEach((token, place) => { placeOf[token] = place; });

  const tall = (SIDE * height) / width, board = plot(SIDE, tall, { tabindex: 0, role: "application",
    "aria-label": t("Grid of tokens: choose a cell with the pointer or the arrow keys; plus and minus change its token, Delete puts the old one back") });
  const screen = plot(SIDE, tall, { role: "img" }), decoded = picture(shape, ""), change = comparison(shape, "change (blue: up, red: down)", SIDE);
  const sheet = picture([codes * ph, pw, channels], ""); // all patches, one below the other
  sheet.draw(patches);
  const spoken = announcer(), sentence = h("p", { class: "result" });
  let example = 0, sample = -1, original = tokens[0], now = [...original], before, cell = Math.floor(rows / 2) * columns + Math.floor(columns / 2);

  const frame = ({ context }, i, colour, wide) => {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.strokeRect(((i % columns) * SIDE) / columns + 1, (Math.floor(i / columns) * tall) / rows + 1, SIDE / columns - 2, tall / rows - 2);
  };
  const draw = () => {
    const { context } = board, w = SIDE / columns, l = tall / rows, values = decoder.run(now), tell = Math.min(w, l) >= 34;
    context.imageSmoothingEnabled = screen.context.imageSmoothingEnabled = false;
    context.font = "bold 11px sans-serif";
    context.lineJoin = "round";
    context.textAlign = "right";
    context.textBaseline = "bottom";
    now.forEach((token, i) => {
      const x = (i % columns) * w, y = Math.floor(i / columns) * l;
      context.drawImage(sheet.canvas, 0, token * ph, pw, ph, x, y, w, l);
      context.strokeStyle = "#888";
      context.lineWidth = 0.5;
      context.strokeRect(x, y, w, l);
      if (!tell) return;
      context.lineWidth = 3;
      context.strokeStyle = "white";
      context.strokeText(token, x + w - 3, y + l - 2);
      context.fillStyle = "#222";
      context.fillText(token, x + w - 3, y + l - 2);
    });
    now.forEach((token, i) => token !== original[i] && frame(board, i, "#e69f00", 2));
    decoded.draw(values);
    screen.context.drawImage(decoded.canvas, 0, 0, SIDE, tall);
    for (const part of [board, screen]) { frame(part, cell, "white", 4); frame(part, cell, "#c00000", 2); }
    change.draw(before, values);
    let moved = 0;
    for (let i = 0; i < pixels; i++) for (let c = 0; c < channels; c++) if (Math.abs(values[i * channels + c] - before[i * channels + c]) > 0.05) { moved++; break; }
    const other = now.filter((token, i) => token !== original[i]).length;
    const here = `${t("row")} ${Math.floor(cell / columns) + 1}, ${t("column")} ${(cell % columns) + 1}: ${t("token")} ${now[cell]}${now[cell] === original[cell] ? "" : ` (${t("was")} ${original[cell]})`}`;
    sentence.textContent = `${here}. ${other} ${t("of")} ${cells} ${t("cells changed")}, ${moved} ${t("of")} ${pixels} ${t("pixels changed")}.`;
    screen.canvas.setAttribute("aria-label", `${t("decoded from these tokens")}. ${sentence.textContent}`);
    spoken.say(sentence.textContent);
    palette.forEach((entry, token) => {
      entry.setAttribute("aria-checked", token === now[cell]);
      entry.tabIndex = token === now[cell] ? 0 : -1;
    });
    place.set(cell);
    dial.set(placeOf[now[cell]]);
  };
  const tell = () => {
    model.set("tokens", [...now]);
    model.save_changes();
  };
  const assign = (token) => {
    now = now.map((old, i) => (i === cell ? token : old));
    draw();
    tell();
  };
  const go = (next) => { cell = Math.max(0, Math.min(cells - 1, next)); draw(); };
  const begin = (grid) => {
    original = grid;
    now = [...grid];
    before = decoder.run(grid);
    back.textContent = t(sample < 0 ? "Back to the example" : "Back to the sample");
    where.textContent = sample < 0 ? "" : `${t("A sample that the prior drew before this page was made:")} ${sample + 1} / ${samples.length}`;
    faces.press(sample < 0 ? example : -1);
    draw();
  };
  const choose = (i) => { [example, sample] = [i, -1]; begin(tokens[i]); tell(); };
  const faces = gallery(examples, shape, choose, t("example"));
  const back = button("Back to the example", () => { begin(original); tell(); });
  const next = button("Next sample of the prior", () => { sample = (sample + 1) % samples.length; begin(samples[sample]); tell(); });
  const where = h("span");

  const url = `url(${sheet.canvas.toDataURL()})`;
  const palette = used.map((count, token) => {
    const entry = h("button", { type: "button", role: "radio", class: count ? "code" : "code unused", onclick: () => assign(token),
      "aria-label": `${t("token")} ${token}, ${count ? `${t("used")} ${count} ${t("times")}` : t("unused")}`, title: `${token}` });
    entry.style.backgroundImage = url;
    entry.style.backgroundSize = `100% ${100 * codes}%`;
    entry.style.backgroundPosition = `0 ${codes > 1 ? (100 * token) / (codes - 1) : 0}%`;
    return entry;
  });
  const entries = h("div", { class: "codebook", role: "radiogroup", "aria-label": t("Codebook, most used first: choose a token for the cell") }, ...order.map((token) => palette[token]));
  const step = (by) => {
    assign(order[Math.max(0, Math.min(codes - 1, placeOf[now[cell]] + by))]);
  };
  arrows(entries, (dx, dy) => {
    const first = palette[order[0]].offsetTop, across = order.findIndex((token) => palette[token].offsetTop !== first);
    step(dx + dy * (across < 0 ? codes : across));
    palette[now[cell]].focus();
  });
  const point = ({ canvas, place: at }) => canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    const [x, y] = at(event);
    go(Math.max(0, Math.min(rows - 1, Math.floor((y / tall) * rows))) * columns + Math.max(0, Math.min(columns - 1, Math.floor((x / SIDE) * columns))));
  });
  point(board);
  point(screen);
  arrows(board.canvas, (dx, dy) => {
    const row = Math.max(0, Math.min(rows - 1, Math.floor(cell / columns) + dy));
    go(row * columns + Math.max(0, Math.min(columns - 1, (cell % columns) + dx)));
  }, { "+": () => step(1), "=": () => step(1), "-": () => step(-1), Delete: () => assign(original[cell]), Backspace: () => assign(original[cell]) });
  const place = slider("cell", { min: 0, max: cells - 1, step: 1, value: 0, show: (v) => `${Math.floor(v / columns) + 1}, ${(v % columns) + 1}` }, go);
  const dial = slider("token", { min: 0, max: codes - 1, step: 1, value: 0, show: (v) => order[v] }, (v) => assign(order[v]));

  const caption = (canvas, text) => h("figure", {}, canvas, h("figcaption", {}, t(text)));
  root.append(
    h("div", { class: "strip", role: "group", "aria-label": t("Choose an example") }, ...faces.buttons, ...(samples.length ? [next] : []), where),
    h("div", { class: "grids" }, caption(board.canvas, "tokens, each as the patch it stands for"),
      h("div", { class: "two" }, caption(screen.canvas, "decoded from these tokens"), change.element)),
    sentence,
    h("div", { class: "beside" }, place.element, dial.element, back),
    entries,
    h("p", { class: "result" }, `${used.filter(Boolean).length} ${t("of")} ${codes} ${t("codes in use")}. ${used.every(Boolean) ? "" : t("Dashed: never used by these data.")}`),
    spoken.element);
  const start = list(model.get("tokens"), "tokens");
  begin(tokens[0]);
  const adopt = (wanted) => {
    if (wanted.length !== cells || !wanted.every((token) => Number.isInteger(token) && token >= 0 && token < codes)) return;
    if (wanted.some((token, i) => token !== now[i])) { now = [...wanted]; draw(); }
  };
  adopt(start); // changed in another view, or from Python
  model.on("change:tokens", () => adopt(model.get("tokens") ?? []));
}

export default figure(build);
