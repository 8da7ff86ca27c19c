// What a figure was given: the spec (plain JSON) and one buffer of numbers that the spec points into.
// Nothing in it is trusted. What is wrong is said in a sentence, and `figure` in ui.js shows it.

export function fail(message) {
  throw new Error(message);
}

/** What a table itself has under a name; not what every object inherits. */
export const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);

/** A value as a message shows it. */
export const said = (value) => (value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60));

export function whole(value, name, low, high) {
  if (!Number.isInteger(value) || value < low || value > high)
    fail(`${name} must be a whole number from ${low} to ${high}, got ${said(value)}.`);
  return value;
}

export function number(value, name) {
  if (!Number.isFinite(value)) fail(`${name} must be a number, got ${said(value)}.`);
  return value;
}

export function list(value, name, length) {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length))
    fail(`${name} must be a list${length === undefined ? "" : ` of ${length}`}, got ${said(value)}.`);
  return value;
}

export const MOST = 4e6; // numbers in one array: 8 MB of a page's memory

/** A list of texts with at least one in it. */
export function texts(value, name) {
  if (!list(value, name).length || !value.every((text) => typeof text === "string")) fail(`${name} must be a list of texts.`);
  return value;
}

const TYPES = {
  u8: [1, (data, at) => data.getUint8(at) / 255],
  i16: [2, (data, at) => data.getInt16(at, true)], // times the step of its place in the last axis
  f32: [4, (data, at) => data.getFloat32(at, true)],
};

/** Numbers of an array of the spec, {dtype, shape, at}, as Float32Array; `shape` may hold nulls for any size. */
export function array(entry, name, data, shape) {
  if (!entry || typeof entry !== "object") fail(`The field ${name} is missing.`);
  const sizes = list(entry.shape, `The shape of ${name}`);
  sizes.forEach((size) => whole(size, `A size in the shape of ${name}`, 0, MOST));
  if (shape && (shape.length !== sizes.length || shape.some((want, i) => want !== null && want !== sizes[i])))
    fail(`${name} must have the shape (${shape.map((s) => s ?? "any").join(", ")}), got (${sizes.join(", ")}).`);
  const count = sizes.reduce((a, b) => a * b, 1);
  if (count > MOST) fail(`${name} has ${count} numbers; at most ${MOST} can be shown.`);
  const [bytes, read] = own(TYPES, entry.dtype) ?? fail(`${name} has the unknown type ${said(entry.dtype)}.`);
  const last = sizes[sizes.length - 1] ?? 1;
  const steps = entry.dtype === "i16" ? array(entry.steps, `The steps of ${name}`, data, [last]) : null;
  const at = whole(entry.at, `The place of ${name}`, 0, Number.MAX_SAFE_INTEGER);
  if (!data || at + count * bytes > data.byteLength)
    fail(`${name} needs ${at + count * bytes} bytes, but the figure carries ${data ? data.byteLength : 0}.`);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    values[i] = read(data, at + bytes * i) * (steps ? steps[i % last] : 1);
    if (!Number.isFinite(values[i])) fail(`${name} holds a value that is not a finite number, at place ${i}.`);
  }
  return values;
}

/** A file of the spec as a URL. */
export function file(entry, name, data, type) {
  const size = whole(entry?.shape?.[0], `The size of ${name}`, 1, 1e7), at = whole(entry.at, `The place of ${name}`, 0, Number.MAX_SAFE_INTEGER);
  if (!data || at + size > data.byteLength) fail(`${name} needs ${at + size} bytes, but the figure carries ${data ? data.byteLength : 0}.`);
  return URL.createObjectURL(new Blob([new Uint8Array(data.buffer, data.byteOffset + at, size)], { type }));
}

/** Height, width and channels of an image that can be drawn. */
export function imageShape(shape, name) {
  const [height, width, channels] = list(shape, name, 3);
  whole(height, `The height in ${name}`, 1, 512);
  whole(width, `The width in ${name}`, 1, 512);
  if (channels !== 1 && channels !== 3) fail(`${name} must have 1 or 3 channels, got ${channels}.`);
  return [height, width, channels];
}
