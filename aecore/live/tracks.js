// Films and their tracks: each object in its slot's colour and with its number, ghosts of what is hidden, and the truth beside it.
import { array, imageShape, list, number, texts, whole } from "./state.js";
import { gallery } from "./compare.js";
import { marks } from "./marks.js";
import { among } from "./run.js";
import { announcer, choice, figure, h, picture, player, plot, slider, t, tick, translate } from "./ui.js";

translate({
  "Choose a film": "选择一段影片", film: "影片", "slots found": "找到的槽", truth: "真值", model: "模型", slot: "槽", ground: "背景", hidden: "被遮挡",
  "ghosts of hidden objects": "被遮挡物体的虚影", ghost: "虚影", "tracks kept": "保持的轨迹", overlap: "重叠度", "in this film": "（本影片）",
  "Which slot has most of each true object, frame by frame; –: the ground, empty: hidden": "逐帧显示每个真实物体的大部分属于哪个槽；–：背景，空：被遮挡",
  "A number is a slot, a letter a true object. Dotted and tinted: a ghost, which the model carries but does not see.": "数字表示槽，字母表示真实物体。点线加底色：虚影，即模型保持但看不见的物体。",
});

const SIDE = 220, CELL = 26, LEFT = 30, TOP = 22;

export function build(spec, data, model, root) {
  const films = array(spec.films, "films", data, [null, null, null, null, null]), many = whole(spec.films.shape[0], "The number of films", 1, 20);
  const last = whole(spec.films.shape[1], "The number of frames", 2, 100) - 1, shape = imageShape(spec.films.shape.slice(2), "the shape of films");
  const [height, width, channels] = shape, n = height * width, names = texts(spec.names, "names"), c = whole(names.length, "The number of tracks", 1, 4);
  const colours = texts(spec.colours, "colours"), first = list(spec.first, "first", c).map((one) => whole(one, "A number in first", 0, 1));
  const maps = (field, shape) => array(spec[field], field, data, [...shape, many, last + 1, height, width]).map((value) => Math.round(255 * value));
  const labels = maps("labels", [c]), ghosts = maps("ghosts", [c]), truths = spec.truth === undefined ? null : maps("truth", []);
  const table = (field) => list(spec[field], field, c).map((row) => list(row, `A row of ${field}`, many));
  const measures = (field) => table(field).map((row) => row.map((value) => number(value, `A number of ${field}`)));
  const [kept, overlaps] = truths ? [measures("kept"), measures("overlap")] : [];
  const holders = truths && table("holders").map((row) => row.map((frames) => list(frames, "The frames of holders", last + 1)
    .map((slots) => list(slots, "A frame of holders").map((slot) => whole(slot, "A slot of holders", -1, 255)))));
  let film = 0, frame = 0, shown = 0, telling = false;

  const place = () => film * (last + 1) + frame, of = (values, k) => values.subarray((k * many * (last + 1) + place()) * n, (k * many * (last + 1) + place() + 1) * n);
  const colour = (slot) => colours[(slot - 1 + first[shown]) % colours.length], called = (slot) => String(slot - 1 + first[shown]), letter = (object) => String.fromCharCode(64 + object);
  const present = (values) => [...new Set(values)].filter((value) => value > 0).sort((a, b) => a - b);
  const objects = () => (truths ? present(truths.subarray(film * (last + 1) * n, (film + 1) * (last + 1) * n)) : []);
  const holder = (object, at) => holders[shown][film][at][object - 1] ?? -1;

  const tall = (SIDE * height) / width, cell = SIDE / width, paper = picture(shape, "");
  const boards = ["film", "slots found", ...(truths ? ["truth"] : [])].map((name) => {
    const board = plot(SIDE, tall, { role: "img" }), element = h("figure", {}, board.canvas, h("figcaption", {}, t(name)));
    return { ...board, element, name };
  });
  const rows = truths ? Math.max(1, ...present(truths)) : 0, chart = plot(LEFT + CELL * (last + 1) + 1, TOP + CELL * rows + 1, { role: "img" });
  const readout = h("p", { class: "readout" }), spoken = announcer();

  const draw = () => {
    const found = of(labels, shown), bits = of(ghosts, shown), ghostly = []; // names of ghosts
    paper.draw(films.subarray(place() * n * channels, (place() + 1) * n * channels));
    for (const { context } of boards) {
      context.imageSmoothingEnabled = false;
      context.drawImage(paper.canvas, 0, 0, SIDE, tall);
    }
    const seen = present(found), alone = (values, one) => Float32Array.from(values, (value) => +(value === one)), spirits = [];
    for (let slot = 1; slot <= 8; slot++) {
      const inside = Float32Array.from(bits, (bit) => Math.floor(bit / 2 ** (slot - 1)) % 2);
      if (!inside.some(Boolean)) continue;
      ghostly.push(called(slot));
      spirits.push({ inside, colour: colour(slot), text: seen.includes(slot) ? "" : called(slot), hidden: inside.map((is, i) => is * (found[i] !== slot)) });
    }
    marks(boards[1].context, [height, width], cell, [...seen.map((slot) => ({ inside: alone(found, slot), colour: colour(slot), text: called(slot) })),
      ...(haunted.input.checked ? spirits : [])]);
    const told = ghostly.length ? `; ${t("ghost")}: ${ghostly.join(", ")}` : "";
    boards[0].canvas.setAttribute("aria-label", `${t("film")} ${film + 1}, ${t("frame")} ${frame + 1}`);
    boards[1].canvas.setAttribute("aria-label", `${t("slots found")}: ${seen.map(called).join(", ")}${told}`);
    if (!truths) return `${t("slot")} ${seen.map(called).join(", ")}${told}`;
    const real = of(truths, 0);
    marks(boards[2].context, [height, width], cell, present(real).map((object) => ({ inside: alone(real, object), colour: "#222", text: letter(object) })));
    const whose = (slot) => (slot < 0 ? t("hidden") : slot ? `${t("slot")} ${called(slot)}` : t("ground"));
    const texts = objects().map((object) => `${letter(object)}: ${whose(holder(object, frame))}`);
    boards[2].canvas.setAttribute("aria-label", `${t("truth")}: ${present(real).map(letter).join(", ")}`);
    return `${texts.join(", ")}${told}`;
  };
  const tracks = () => {
    const { context, canvas } = chart, all = objects();
    context.clearRect(0, 0, chart.canvas.width, chart.canvas.height);
    [context.textAlign, context.textBaseline, context.lineWidth] = ["center", "middle", 1];
    const write = (text, x, y, ink = "#222", bold = "") => {
      [context.font, context.fillStyle] = [`${bold} 13px sans-serif`, ink];
      context.fillText(text, x, y + 1);
    };
    for (let at = 0; at <= last; at++) write(String(at + 1), LEFT + (at + 0.5) * CELL, TOP / 2, "#222", at === frame ? "bold" : "");
    all.forEach((object, row) => {
      const y = TOP + row * CELL;
      write(letter(object), LEFT / 2, y + CELL / 2, "#222", "bold");
      for (let at = 0; at <= last; at++) {
        const x = LEFT + at * CELL, slot = holder(object, at), grounded = slot === 0;
        if (slot < 0) continue;
        context.fillStyle = grounded ? "#eee" : colour(slot);
        context.fillRect(x + 1, y + 1, CELL - 2, CELL - 2);
        context.fillStyle = "white";
        context.beginPath();
        context.arc(x + CELL / 2, y + CELL / 2, 8.5, 0, 7);
        context.fill();
        write(grounded ? "–" : called(slot), x + CELL / 2, y + CELL / 2, "#222", "bold");
      }
    });
    context.lineWidth = 2;
    context.strokeStyle = "#222";
    context.strokeRect(LEFT + frame * CELL, TOP, CELL, CELL * all.length);
    const said = all.map((object) => `${letter(object)}: ${Array.from({ length: last + 1 }, (_, at) => (holder(object, at) < 0 ? t("hidden") : holder(object, at) ? called(holder(object, at)) : "–")).join(" ")}`);
    canvas.setAttribute("aria-label", `${t("Which slot has most of each true object, frame by frame; –: the ground, empty: hidden")}. ${said.join("; ")}`);
  };
  const show = (next, quiet = false) => {
    frame = Math.max(0, Math.min(last, next));
    control.set(frame);
    const text = draw();
    if (truths) tracks();
    readout.textContent = text;
    summary.textContent = truths ? `${t("tracks kept")}: ${Math.round(100 * kept[shown][film])} %, ${t("overlap")} ${overlaps[shown][film].toFixed(2)} ${t("in this film")}` : "";
    if (!quiet) spoken.say(`${t("frame")} ${frame + 1}. ${text}. ${summary.textContent}`);
  };
  const tell = () => {
    telling = true;
    for (const [name, value] of Object.entries({ film, frame, model: names[shown] })) model.set(name, value);
    model.save_changes();
    telling = false;
  };
  const go = (next, quiet) => { show(next, quiet); tell(); };
  const by = (next) => { play.stop(); go(next); };
  const pick = (next) => {
    film = next;
    faces.press(film);
    go(frame);
  };

  const control = slider("frame", { min: 0, max: last, step: 1, value: 0, show: (v) => `${v + 1} / ${last + 1}` }, by);
  const play = player(() => go(frame === last ? 0 : frame + 1, true), whole(spec.pause, "pause", 20, 60000));
  const haunted = tick("ghosts of hidden objects", true, () => show(frame));
  const starts = new Float32Array(many * n * channels);
  for (let i = 0; i < many; i++) starts.set(films.subarray(i * (last + 1) * n * channels, (i * (last + 1) + 1) * n * channels), i * n * channels);
  const faces = gallery(starts, shape, pick, t("film")), models = choice("model", names, names[0], (name) => { shown = names.indexOf(name); go(frame); });
  const summary = h("p", { class: "result" });
  if (truths) chart.canvas.addEventListener("click", (event) => by(Math.max(0, Math.min(last, Math.floor((chart.place(event)[0] - LEFT) / CELL)))));
  root.append(
    h("div", { class: "strip", role: "group", "aria-label": t("Choose a film") }, ...faces.buttons),
    h("div", { class: "draws" }, ...(c > 1 ? [models.element] : []), ...(ghosts.some((bit) => bit) ? [haunted.element] : [])),
    h("div", { class: "beside" }, play.element, control.element),
    h("div", { class: "screens" }, ...boards.map(({ element }) => element)),
    h("p", { class: "keys" }, h("span", { class: "plain" }, t("A number is a slot, a letter a true object. Dotted and tinted: a ghost, which the model carries but does not see."))),
    readout, ...(truths ? [h("figure", { class: "tracks" }, chart.canvas, h("figcaption", {}, t("Which slot has most of each true object, frame by frame; –: the ground, empty: hidden"))), summary] : []),
    spoken.element);
  const heed = () => { // what another view or Python has set
    if (telling) return;
    const next = [whole(model.get("film"), "film", 0, many - 1), whole(model.get("frame"), "frame", 0, last), names.indexOf(among(model.get("model"), names, "model"))];
    [film, , shown] = next;
    models.select.value = names[shown];
    faces.press(film);
    show(next[1]);
  };
  heed();
  for (const name of ["film", "frame", "model"]) model.on(`change:${name}`, heed);
}

export default figure(build);
