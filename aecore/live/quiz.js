// Quiz: a question that is answered in the page. What is said to an answer is locked with that answer as the key,
// so the page holds no answer that one could read. SHA-256 is written out: a page opened from a file has no crypto.subtle.
import { fail, list, whole } from "./state.js";
import { announcer, button, figure, h, t, translate } from "./ui.js";

translate({
  Check: "检查", "Your number": "你的数字", "Choose an answer first.": "请先选择一个答案。", "Write a number first.": "请先写下一个数字。",
  "Not yet.": "还不对。",
});

const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32);
const K = primes.map((p) => fraction(Math.cbrt(p)));
const START = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
const turn = (x, n) => (x >>> n) | (x << (32 - n));

export function sha256(message) {
  const size = 16 * (((message.length + 8) >> 6) + 1);
  const words = new Int32Array(size), w = new Int32Array(64), hash = Int32Array.from(START);
  message.forEach((byte, i) => { words[i >> 2] |= byte << (24 - 8 * (i & 3)); });
  words[message.length >> 2] |= 0x80 << (24 - 8 * (message.length & 3));
  words[size - 1] = message.length * 8;
  for (let block = 0; block < size; block += 16) {
    let [a, b, c, d, e, f, g, last] = hash;
    for (let i = 0; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = i < 16 ? words[block + i]
        : w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
      const one = (last + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [last, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, last].forEach((v, i) => { hash[i] += v; });
  }
  const bytes = new DataView(new ArrayBuffer(32));
  hash.forEach((v, i) => bytes.setInt32(4 * i, v));
  return new Uint8Array(bytes.buffer);
}

/** The key that an answer is, slow on purpose: who tries all numbers has to wait. */
export function key(salt, answer, rounds) {
  let bytes = sha256(new TextEncoder().encode(`${salt}\n${answer}`));
  for (let i = 0; i < rounds; i++) bytes = sha256(bytes);
  return bytes;
}

/** What an entry says, or null where the key does not open it. */
export function unlock(entry, bytes) {
  const closed = Uint8Array.from(atob(entry), (c) => c.charCodeAt(0));
  let stream;
  const open = closed.map((v, i) => {
    if (i % 32 === 0) stream = sha256(Uint8Array.from([...bytes, i / 32]));
    return v ^ stream[i % 32];
  });
  const text = new TextDecoder().decode(open);
  return text.startsWith("open") ? text.slice(4) : null;
}

/** A number as the key knows it: six digits, "1.23000e4". */
export const canonical = (value) => value.toExponential(5).replace("e+", "e");

export function build(spec, data, model, root) {
  const locked = list(spec.locked, "locked"), rounds = whole(spec.rounds, "rounds", 1, 1e5), otherwise = spec.otherwise || fail("The field otherwise is missing.");
  const options = spec.options ? list(spec.options, "options") : null;
  const reply = announcer(true), name = `quiz-${Math.random().toString(36).slice(2)}`;
  reply.element.classList.add("quiz-reply");
  let answer = () => null;
  const body = h("fieldset", {}, h("legend", {}, String(spec.question)));
  if (options) {
    options.forEach((option, i) => {
      const id = `${name}-${i}`;
      body.append(h("div", { class: "quiz-option" }, h("input", { type: "radio", name, id, value: i }), h("label", { for: id }, `${"abcdef"[i]}) ${option}`)));
    });
    answer = () => options[body.querySelector("input:checked")?.value] ?? null;
  } else {
    const input = h("input", { type: "text", inputmode: "decimal", id: name, autocomplete: "off" });
    body.append(h("div", { class: "quiz-option" }, h("label", { for: name }, t("Your number")), input));
    answer = () => {
      const text = input.value.trim().replace(",", "."); // many keypads have only a comma
      return text && Number.isFinite(+text) ? canonical(+text) : null;
    };
  }
  const judge = () => {
    const given = answer();
    if (given === null) return reply.say(t(options ? "Choose an answer first." : "Write a number first."));
    const bytes = key(spec.salt, given, rounds);
    const said = locked.map((entry) => unlock(entry, bytes)).find((text) => text !== null);
    return reply.say(said ?? `✗ ${t("Not yet.")} ${otherwise}`);
  };
  const form = h("form", { class: "quiz", onsubmit: (event) => { event.preventDefault(); judge(); } }, body, button("Check", judge));
  root.append(form, reply.element);
}

export default figure(build);
