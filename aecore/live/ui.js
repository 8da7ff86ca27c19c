// The parts that figures are made of: native controls with names, small pictures, play, and one place for errors.

const ZH = {
  "This figure cannot be drawn.": "无法绘制此图。",
  Play: "播放", Pause: "暂停", Step: "单步", Reset: "重置", Clear: "清除",
  "Pick two points": "选取两点", "Pick the first point": "选取第一点", "Pick the second point": "选取第二点",
  "code unit": "编码单元", code: "编码", decoded: "解码", picture: "图像", reconstruction: "重构",
  "Code plane: drag the point, or move it with the arrow keys; Enter picks it": "编码平面：拖动该点，或用方向键移动；按 Enter 键选取",
  "squared error": "平方误差", "nearest label": "最近的标签", frame: "帧",
  Epoch: "一轮", "New weights": "新权重", epoch: "轮次", loss: "损失", diverged: "已发散", "Start again": "重新开始", "Paused:": "已暂停：",
  "The loss is now below PCA's:": "损失已低于 PCA：", "The loss so far.": "到目前为止的损失。", none: "无", linear: "线性",
  "The points, their reconstructions, and what the decoder makes of all codes.": "数据点、它们的重构，以及解码器对所有编码的输出。",
  "The run has diverged: its numbers have left all bounds. Choose a smaller learning rate, then start again.": "训练已发散：数值超出了所有界限。请选择较小的学习率，然后重新开始。",
  "data, coloured by code": "数据（按编码着色）", "to the reconstruction": "到重构点", "decoder's output, low code to high": "解码器的输出（编码由小到大）",
  "learning rate": "学习率", "noise on the input": "输入噪声", data: "数据", "hidden layers": "隐藏层", activation: "激活函数", "code size": "编码维数",
  optimiser: "优化器", seed: "随机种子", moons: "双月", spiral: "螺旋", ring: "环", line: "直线",
};

/** Add a figure's own Chinese texts: they travel with that figure only. */
export const translate = (texts) => Object.assign(ZH, texts);

/** A text of the figure in the page's language. */
export const t = (text) => (document.documentElement.lang.startsWith("zh") && ZH[text]) || text;

/** An element with attributes, listeners (on...) and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  element.append(...children);
  return element;
}

export const button = (text, onclick, more) => h("button", { type: "button", onclick, ...more }, t(text));

// Every figure has its own copy of this module: a counter alone would give two controls of a page one id.
const prefix = `live-${Math.random().toString(36).slice(2, 9)}`;
let count = 0;

/** A labelled native slider. Returns: {element, input, set}. `show` writes a value for people. */
export function slider(label, { min, max, step, value, show = (v) => v.toFixed(2) }, oninput) {
  const id = `${prefix}-${++count}`;
  const output = h("output", { for: id, "aria-live": "off" }); // the slider itself speaks its value
  const input = h("input", { type: "range", id, min, max, step });
  const set = (v) => {
    input.value = v;
    output.textContent = show(v);
    input.setAttribute("aria-valuetext", show(v));
  };
  input.addEventListener("input", () => { set(+input.value); oninput(+input.value); });
  set(value);
  return { element: h("div", { class: "slider" }, h("label", { for: id }, t(label)), input, output), input, set };
}

/** A labelled native list of choices. */
export function choice(label, options, value, onchange) {
  const id = `${prefix}-${++count}`;
  const select = h("select", { id, onchange: () => onchange(select.value) });
  for (const option of options) select.append(h("option", { value: option, selected: option === value }, t(String(option))));
  return { element: h("div", { class: "choice" }, h("label", { for: id }, t(label)), select), select };
}

/** A labelled box to tick. */
export function tick(text, checked, onchange) {
  const input = h("input", { type: "checkbox", checked, onchange });
  return { element: h("label", { class: "tick" }, input, ` ${t(text)}`), input };
}

/** A labelled field for a seed; what cannot be one is given on as null. */
export function seedInput(onchange) {
  const id = `${prefix}-${++count}`;
  const input = h("input", { type: "number", id, min: 0, max: 999999, step: 1,
    onchange: () => onchange(input.value !== "" && input.checkValidity() ? +input.value : null) });
  return { element: h("div", { class: "choice" }, h("label", { for: id }, t("seed")), input), input };
}

/** A small picture, (h, w, c), with a caption. Its `draw` takes values in [0, 1], or in [-1, 1] where signed. */
export function picture([height, width, channels], caption, { signed = false, size = 140 } = {}) {
  const canvas = h("canvas", { width, height, role: "img", "aria-label": t(caption || "picture"), class: "pixels" });
  const wide = `${Math.round((size * width) / Math.max(height, width))}px`;
  canvas.style.width = wide;
  const context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
  const draw = (values) => {
    for (let i = 0; i < width * height; i++) {
      let rgb;
      if (signed) {
        const v = Math.max(-1, Math.min(1, values[i * channels])), fade = 255 * (1 - Math.abs(v));
        rgb = v > 0 ? [255 - 77 * v, fade, fade] : [fade, fade, 255 + 63 * v];
      } else rgb = [0, 1, 2].map((c) => 255 * values[i * channels + (channels === 3 ? c : 0)]);
      pixels.data.set([...rgb, 255], 4 * i);
    }
    context.putImageData(pixels, 0, 0);
  };
  const element = h("figure", {}, canvas, ...(caption ? [h("figcaption", {}, t(caption))] : []));
  element.style.width = wide; // a long caption wraps
  return { element, canvas, draw };
}

/** A canvas for drawing in units of CSS pixels, sharp on fine screens. */
export function plot(width, height, attributes) {
  const fine = Math.min(3, window.devicePixelRatio || 1);
  const canvas = h("canvas", { width: width * fine, height: height * fine, ...attributes });
  canvas.style.width = `${width}px`;
  canvas.style.aspectRatio = `${width} / ${height}`;
  const context = canvas.getContext("2d");
  context.scale(fine, fine);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  return { canvas, context, place };
}

/** Call `move(x, y, first)` while a mouse, pen or finger is down on `canvas`. */
export function dragging({ canvas, place }, move) {
  let down = false;
  canvas.style.touchAction = "none";
  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return; // no second finger, no menu
    down = true;
    canvas.setPointerCapture(event.pointerId);
    move(...place(event), true);
  });
  canvas.addEventListener("pointermove", (event) => down && event.isPrimary && move(...place(event), false));
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => { down = down && !event.isPrimary; });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Call `move(dx, dy)` at arrow keys, with steps ten times as long under shift, and `keys[name]()` at others. */
export function arrows(element, move, keys = {}) {
  element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    const arrow = ARROWS[event.key];
    if (!arrow && !keys[event.key]) return;
    event.preventDefault();
    if (arrow) move(...arrow.map((d) => d * (event.shiftKey ? 10 : 1)));
    else keys[event.key]();
  });
}

/** A button that calls `step` every `pause` ms until it is pressed again. */
export function player(step, pause = 120) {
  let timer = null;
  const toggle = () => {
    const start = timer === null;
    stop();
    if (!start) return;
    timer = setInterval(() => (element.isConnected ? step() : stop()), pause);
    element.textContent = t("Pause");
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    element.textContent = t("Play");
  };
  const element = button("Play", toggle);
  return { element, stop };
}

/** A line that screen readers speak once it has stood still for a moment; `seen` by everybody or not. */
export function announcer(seen = false) {
  const line = h("p", { class: seen ? "spoken" : "unseen", role: "status" });
  let timer;
  return { element: line, say: (text) => { clearTimeout(timer); timer = setTimeout(() => { line.textContent = text; }, 600); } };
}

/** Make the `render` of a widget out of `build(spec, data, model, root)`: what it throws stands in the figure's place. */
export const figure = (build) => ({
  render({ model, el }) {
    const root = h("div", { class: "live", role: "group" });
    el.append(root);
    try {
      const spec = model.get("spec"), data = model.get("data");
      if (!spec || typeof spec !== "object") throw new Error("The field spec is missing.");
      root.setAttribute("aria-label", String(spec.title || ""));
      return build(spec, data, model, root); // what to do when the view goes, if anything
    } catch (error) {
      root.replaceChildren(h("p", { role: "alert", class: "fault" }, `${t("This figure cannot be drawn.")} ${error.message}`));
    }
  },
});
