// The stretch of a log that the page holds: bounded, without a gap, movable to any place.

import { RowReader } from "./rows.js";

/** @typedef {import("./rows.js").Part} Part */
/** @typedef {import("./rows.js").Row} Row */

const KEEP_BYTES = 1024 * 1024;
const KEEP_ROWS = 20_000;

export class LogStore {
  /** Bytes from `start` to before `end` are here. */
  start = 0;
  end = 0;
  /** @type {Part[]} */
  #parts = [];
  #reader = new RowReader();

  /** @returns {Row[]} */
  get rows() {
    return this.#reader.rows;
  }

  /** Whether more would be given away again soon. */
  get full() {
    return this.#isTooMuch(0);
  }

  /** @param {number} offset */
  holds(offset) {
    return offset >= this.start && offset < this.end;
  }

  /**
   * The row that `offset` stands in, or the first one.
   * @param {number} offset
   */
  indexOf(offset) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.rows[middle]?.offset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /**
   * Goes elsewhere. Parts that begin in the middle of a line begin with the next one instead, where there is one.
   * @param {Part[]} parts @param {number} offset where they begin, which is where the store is if there are none
   */
  reset(parts, offset) {
    this.#parts = [];
    this.#reader = new RowReader();
    const whole = offset > 0 ? fromLineStart(parts) : parts;
    this.start = this.end = whole[0]?.offset ?? offset;
    for (const part of whole) this.append(part);
  }

  /** @param {Part} part begins where the store ends */
  append(part) {
    this.#parts.push(part);
    this.#reader.add(part);
    this.end = part.offset + part.bytes.length;
  }

  /**
   * Parts before the store's own, from the first whole line on. Rows are made anew: the first one may have been the end of a line.
   * @param {Part[]} parts end where the store begins @param {number} offset where they begin
   */
  prepend(parts, offset) {
    const whole = offset > 0 ? fromLineStart(parts) : parts;
    this.#parts = [...whole, ...this.#parts];
    this.start = this.#parts[0]?.offset ?? offset;
    while (this.#parts.length > whole.length + 1 && this.#isTooMuch(this.#parts[this.#parts.length - 1]?.bytes.length ?? 0)) this.#dropLast();
    this.#reader = new RowReader();
    for (const part of this.#parts) this.#reader.add(part);
  }

  /**
   * Gives the oldest parts away until the rest is within bounds.
   * @returns {number} how many rows went
   */
  trimStart() {
    let gone = 0;
    while (this.#parts.length > 1 && this.#isTooMuch(this.#parts[0]?.bytes.length ?? 0, gone)) {
      this.#parts.shift();
      this.start = this.#parts[0]?.offset ?? this.end;
      while ((this.rows[gone]?.offset ?? Infinity) < this.start) gone += 1;
    }
    this.rows.splice(0, gone);
    return gone;
  }

  finish() {
    this.#reader.finish();
  }

  #dropLast() {
    this.end = this.#parts.pop()?.offset ?? this.end;
  }

  /** @param {number} bytes that would be given away @param {number} [rows] that are as good as gone */
  #isTooMuch(bytes, rows = 0) {
    return this.end - this.start - bytes > KEEP_BYTES || this.rows.length - rows > KEEP_ROWS;
  }
}

/**
 * Without the end of the line that they begin in; all of them, where that would leave nothing.
 * @param {Part[]} parts @returns {Part[]}
 */
function fromLineStart(parts) {
  for (const [index, part] of parts.entries()) {
    const at = part.bytes.indexOf(10) + 1;
    if (!at) continue;
    const rest = { ...part, offset: part.offset + at, firstLine: part.firstLine + 1, bytes: part.bytes.subarray(at) };
    const left = [...(rest.bytes.length ? [rest] : []), ...parts.slice(index + 1)];
    return left.length ? left : parts;
  }
  return parts;
}
