// From bytes of output to rows that can be shown.

import { Painter } from "./painter.js";

/**
 * A stretch of one stream's output; parts of a log follow each other without a gap.
 * @typedef {{offset: number, firstLine: number, stream: StreamName, at: string, bytes: Uint8Array}} Part
 */
/**
 * A line, or a piece of a line that is very long or was interrupted by another stream. `offset` is its first byte, `line` the line ends before it,
 * `size` grows while more of it comes.
 * @typedef {{offset: number, line: number, stream: StreamName, at: string, size: number, pieces: import("./painter.js").Piece[]}} Row
 */

const LINE_END = 10;
/** Bytes of one row. Without a limit one endless line would be one endless element. */
const MAX_ROW_BYTES = 4096;

/** Reads parts in order. */
export class RowReader {
  /** @type {Row[]} */
  rows = [];
  /** @type {Map<StreamName, Painter>} */
  #painters = new Map();
  /**
   * The row that the next bytes of its stream belong to.
   * @type {Row|null}
   */
  #open = null;
  /**
   * Streams whose line was interrupted: its end is no line of its own.
   * @type {Set<StreamName>}
   */
  #interrupted = new Set();

  /** @param {Part} part */
  add(part) {
    const { bytes, stream } = part;
    const painter = this.#painters.get(stream) ?? new Painter();
    this.#painters.set(stream, painter);
    let line = part.firstLine;
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(LINE_END, from);
      const to = end < 0 ? bytes.length : end;
      this.#text(part, painter, line, from, to);
      from = to;
      if (end < 0) continue;
      this.#endLine(part, painter, line, end);
      line += 1;
      from += 1;
    }
  }

  /** Nothing more comes: shows what was held back as the start of a code. */
  finish() {
    for (const [stream, painter] of this.#painters) {
      const pieces = painter.endLine();
      const row = this.#open?.stream === stream ? this.#open : this.rows.filter((one) => one.stream === stream).pop();
      row?.pieces.push(...pieces);
    }
  }

  /** @param {Part} part @param {Painter} painter @param {number} line @param {number} from @param {number} to */
  #text(part, painter, line, from, to) {
    for (let at = from; at < to; ) {
      const row = this.#rowFor(part, line, at);
      const stop = Math.min(to, at + MAX_ROW_BYTES - row.size);
      row.pieces.push(...painter.paint(part.bytes.subarray(at, stop)));
      row.size += stop - at;
      at = stop;
    }
  }

  /** @param {Part} part @param {Painter} painter @param {number} line @param {number} end */
  #endLine(part, painter, line, end) {
    const pieces = painter.endLine();
    const continues = this.#open?.stream === part.stream;
    if (continues || pieces.length || !this.#interrupted.has(part.stream)) this.#rowFor(part, line, end).pieces.push(...pieces);
    this.#interrupted.delete(part.stream);
    this.#open = null;
  }

  /** @param {Part} part @param {number} line @param {number} at */
  #rowFor(part, line, at) {
    const open = this.#open;
    if (open?.stream === part.stream && open.size < MAX_ROW_BYTES) return open;
    if (open && open.stream !== part.stream) this.#interrupted.add(open.stream);
    /** @type {Row} */
    const row = { offset: part.offset + at, line, stream: part.stream, at: part.at, size: 0, pieces: [] };
    this.rows.push(row);
    this.#open = row;
    return row;
  }
}

/**
 * A row's text without its look.
 * @param {Row} row
 */
export function textOf(row) {
  return row.pieces.map((piece) => piece.text).join("");
}
