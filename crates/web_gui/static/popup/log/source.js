// What can be asked of one task's log.

import { partOf } from "./part.js";
import { RowReader, textOf } from "./rows.js";

/** @typedef {import("./rows.js").Part} Part */

export class LogSource {
  /** @param {import("../api.js").Api} api @param {string} id */
  constructor(api, id) {
    this.api = api;
    this.path = `/tasks/${encodeURIComponent(id)}/log`;
  }

  /** Where all of it is, byte for byte. */
  get rawUrl() {
    return this.api.url(`${this.path}/raw`);
  }

  /**
   * Output from `offset` on, at most `limit` bytes of it.
   * @param {number} offset @param {number} limit @returns {Promise<Part[]>}
   */
  async read(offset, limit) {
    const page = await this.api.get(this.path, { offset, limit });
    const parts = /** @type {Chunk[]} */ (page.chunks).map((chunk) => partOf(chunk, offset));
    // The server sends whole chunks.
    return parts
      .filter((part) => part.offset < offset + limit)
      .map((part) => ({ ...part, bytes: part.bytes.subarray(0, offset + limit - part.offset) }));
  }

  /**
   * The byte that a line begins with, which is the end where there are fewer lines.
   * @param {number} line counted from 0 @returns {Promise<number>}
   */
  async startOfLine(line) {
    const page = await this.api.get(this.path, { line, limit: 1 });
    return page.offset;
  }

  /**
   * Lines that contain `text`, in a stretch from `offset` on.
   * @param {string} text @param {number} offset
   * @returns {Promise<{matches: {offset: number, line: number}[], next_offset: number, complete: boolean}>}
   */
  search(text, offset) {
    return this.api.get(`${this.path}/search`, { text, offset });
  }

  /**
   * All output as it is shown, without times and colours.
   * @param {number} bytes so many are there
   */
  async text(bytes) {
    const reader = new RowReader();
    for (let offset = 0; offset < bytes; ) {
      const parts = await this.read(offset, 1024 * 1024);
      const last = parts[parts.length - 1];
      if (!last) break;
      for (const part of parts) reader.add(part);
      offset = last.offset + last.bytes.length;
    }
    reader.finish();
    let text = "";
    /** @type {import("./rows.js").Row|null} */
    let before = null;
    for (const row of reader.rows) {
      const goesOn = before && before.line === row.line && before.stream === row.stream;
      text += (before && !goesOn ? "\n" : "") + textOf(row);
      before = row;
    }
    return `${text}\n`;
  }
}
