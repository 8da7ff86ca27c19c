// A plane of codes of two numbers, with the data's codes on it, coloured by label, and each label at its middle.
import { array, fail, list, number, texts, whole } from "./state.js";
import { plot } from "./ui.js";

/** Check what a figure carries of a code plane. Returns: its parts, the area among them, and `backdrop`, which clears the area and draws the data. */
export function scatter(spec, data, size, label) {
  const codes = array(spec.codes, "codes", data, [null, 2]);
  const names = texts(spec.names, "names"); // of the labels, in the order of the colours
  const labels = list(spec.labels, "labels", codes.length / 2).map((label) => whole(label, "A label", 0, names.length - 1));
  const colours = texts(spec.colours, "colours");
  const [low, high] = list(spec.range, "range", 2).map((ends) => list(ends, "An end of the range", 2).map((end) => number(end, "An end of the range")));
  if (!(low[0] < high[0] && low[1] < high[1])) fail("The range of the plane is empty.");

  const area = plot(size, size, { tabindex: 0, role: "application", class: "plane", "aria-label": label });
  const across = (code) => [0, 1].map((i) => (i ? 1 - (code[1] - low[1]) / (high[1] - low[1]) : (code[0] - low[0]) / (high[0] - low[0])) * size);
  const back = (x, y) => [low[0] + (x / size) * (high[0] - low[0]), high[1] - (y / size) * (high[1] - low[1])];
  const inside = (code) => code.map((v, i) => Math.max(low[i], Math.min(high[i], v)));

  const dots = document.createElement("canvas"); // the data do not move: drawn once
  [dots.width, dots.height] = [area.canvas.width, area.canvas.height];
  const paper = dots.getContext("2d");
  paper.scale(dots.width / size, dots.height / size);
  const colour = (label) => colours[label % colours.length];
  paper.globalAlpha = 0.55;
  for (let i = 0; i < labels.length; i++) {
    const [x, y] = across([codes[2 * i], codes[2 * i + 1]]);
    paper.fillStyle = colour(labels[i]);
    paper.fillRect(x - 1.5, y - 1.5, 3, 3);
  }
  paper.globalAlpha = 1;
  paper.font = "bold 13px sans-serif";
  paper.textAlign = "center";
  paper.textBaseline = "middle";
  names.forEach((name, kind) => {
    const mine = labels.flatMap((label, i) => (label === kind ? [i] : []));
    if (!mine.length) return;
    const middle = [0, 1].map((axis) => mine.map((i) => codes[2 * i + axis]).sort((a, b) => a - b)[mine.length >> 1]);
    const [x, y] = across(middle);
    paper.fillStyle = "white";
    paper.strokeStyle = colour(kind);
    paper.beginPath();
    paper.arc(x, y, 10, 0, 7);
    paper.fill();
    paper.stroke();
    paper.fillStyle = "#222";
    paper.fillText(name, x, y + 1);
  });
  const backdrop = () => {
    area.context.clearRect(0, 0, size, size);
    area.context.drawImage(dots, 0, 0, size, size);
  };
  return { area, codes, labels, names, colour, low, high, across, back, inside, backdrop };
}
