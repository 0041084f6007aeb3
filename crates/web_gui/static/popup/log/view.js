// A log of any length in a document of few elements. Only rows around the place that is looked at exist: scrolling moves this window over the
// store, and the store over the log. Rows may have any height, so the browser's own scrolling, selecting and wrapping stay what they are.

import { h } from "../dom.js";
import { timeOfDay } from "../format.js";
import { lineEnds } from "./part.js";
import { LogStore } from "./store.js";

/** @typedef {import("./rows.js").Row} Row */
/** @typedef {import("./source.js").LogSource} LogSource */

/** Output that is fetched at a time, in bytes. */
const PAGE_BYTES = 128 * 1024;
/** Rows in the document at most. */
const MAX_ROWS = 400;
/** Rows that are added to it at a time. */
const STEP_ROWS = 80;
/** Rows are added when fewer pixels than this are left in a direction. */
const MARGIN_PX = 800;

export class LogView {
  following = true;
  /** Of the whole log, as far as is known. */
  bytes = 0;
  lines = 0;
  #store = new LogStore();
  /** Rows of the store that stand in the document: from `#first` on, one for each of `#shown`. */
  #first = 0;
  /**
   * `drawn`: so many pieces of the row are in the element.
   * @type {{row: Row, drawn: number, element: HTMLElement}[]}
   */
  #shown = [];
  /** Where our own scrolling has led to. */
  #ownTop = 0;
  #settling = false;
  #filling = false;
  /**
   * Where to go when the present fetch is done.
   * @type {{offset: number, place: "start"|"middle"}|null}
   */
  #wanted = null;
  #going = false;
  /** The bar was moved by hand and is left where it is until the rows are scrolled. */
  #placed = false;
  #needle = "";
  /**
   * The byte of the match that is looked at.
   * @type {number|null}
   */
  #found = null;

  /** @param {LogSource} source @param {() => void} changed called when a count, the place or the following changes */
  constructor(source, changed) {
    this.source = source;
    this.changed = changed;
    this.note = h("p", { class: "dim empty" }, "No output yet.");
    this.rows = h("div", {
      class: "rows",
      tabindex: 0,
      role: "log",
      "aria-live": "off",
      "aria-label": "Output",
      scroll: () => this.#scrolled(),
      keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.rows.append(this.note);
    this.place = h("input", {
      type: "range",
      class: "place",
      min: 0,
      "aria-label": "Place in the output",
      "aria-orientation": "vertical",
      hidden: true,
      input: () => {
        this.#placed = true;
        this.goTo(Number(this.place.value), "start");
      },
    });
    this.element = h("div", { class: "log" }, this.rows, this.place);
  }

  /**
   * Output from here on comes by `add`.
   * @param {number} offset
   */
  begin(offset) {
    this.#store.reset([], offset);
    this.bytes = offset;
  }

  /**
   * What has just come. While the reader looks elsewhere it is only counted.
   * @param {import("./rows.js").Part} part
   */
  add(part) {
    const { bytes } = part;
    this.bytes = Math.max(this.bytes, part.offset + bytes.length);
    this.lines = Math.max(this.lines, part.firstLine + countLines(bytes));
    if (!this.#going) this.#take(part);
    this.#settle();
  }

  /** @param {import("./rows.js").Part} part */
  #take(part) {
    const { start, end, full } = this.#store;
    const attached = part.offset === end;
    if (attached && end > start) {
      if (this.following || !full) this.#store.append(part);
      if (this.following && full) this.#dropFromStore();
    } else if (attached || this.following) this.#restart([part], part.offset);
  }

  /** All of it has come. */
  finish() {
    if (this.#store.end >= this.bytes) this.#store.finish();
    if (!this.bytes) this.note.textContent = "It wrote no output.";
    this.#settle();
  }

  /** @param {boolean} following */
  follow(following) {
    this.following = following;
    this.#placed = false;
    if (following) void this.#toEnd();
    this.changed();
  }

  /** The line that stands at the top, counted from 1. */
  get line() {
    return (this.#topRow()?.line ?? 0) + 1;
  }

  /** The byte that the row at the top begins with. */
  get offset() {
    return this.#topRow()?.offset ?? 0;
  }

  /**
   * Shows the row that a byte stands in. While one fetch is under way only the last wish counts.
   * @param {number} offset @param {"start"|"middle"} place where in the view
   */
  goTo(offset, place) {
    this.following = false;
    this.#wanted = { offset: Math.min(Math.max(0, offset), Math.max(0, this.bytes - 1)), place };
    if (!this.#going) void this.#go();
    this.changed();
  }

  /**
   * Marks a text wherever it is seen, and the row of one match more.
   * @param {string} needle @param {number|null} found the match's byte
   */
  mark(needle, found) {
    const same = needle === this.#needle;
    this.#needle = needle;
    this.#found = found;
    for (const shown of this.#shown) {
      if (!same) shown.drawn = -1;
      shown.element.classList.toggle("found", this.#isFound(shown.row));
    }
    this.#refresh();
  }

  async #go() {
    this.#going = true;
    this.element.classList.add("going");
    try {
      for (let wish = this.#wish(); wish; wish = this.#wish()) {
        if (!this.#store.holds(wish.offset)) {
          const from = Math.max(0, wish.offset - PAGE_BYTES / 2);
          const parts = await this.source.read(from, PAGE_BYTES);
          this.#store.reset(parts, from);
        }
        this.#showAround(wish.offset, wish.place);
      }
      this.#problem("");
    } catch (error) {
      this.#wanted = null;
      this.#problem(String(error instanceof Error ? error.message : error));
    } finally {
      this.#going = false;
      this.element.classList.remove("going");
    }
    void this.#fill();
  }

  #wish() {
    const wish = this.#wanted;
    this.#wanted = null;
    return wish;
  }

  /** The end of the log, however far away it is. */
  async #toEnd() {
    if (this.#going) return;
    this.#going = true;
    try {
      while (this.following && this.#store.end < this.bytes) {
        const near = this.bytes - this.#store.end < PAGE_BYTES;
        const from = near ? this.#store.end : Math.max(0, this.bytes - PAGE_BYTES);
        const parts = await this.source.read(from, 2 * PAGE_BYTES);
        if (near) parts.forEach((part) => this.#store.append(part));
        else this.#restart(parts, from);
      }
      this.#problem("");
    } catch (error) {
      this.following = false;
      this.#problem(String(error instanceof Error ? error.message : error));
    } finally {
      this.#going = false;
    }
    this.#settle();
  }

  /** @param {import("./rows.js").Part[]} parts @param {number} offset */
  #restart(parts, offset) {
    this.#store.reset(parts, offset);
    this.#first = 0;
    this.#clear();
  }

  /** @param {string} sentence empty: all is well */
  #problem(sentence) {
    this.element.querySelector(".unread")?.remove();
    if (sentence) this.element.append(h("p", { class: "unread", role: "status" }, `This part of the output is not here: ${sentence}`));
  }

  /** New rows need a layout to be scrolled to, so many parts share one, before the next paint. */
  #settle() {
    if (this.#settling) return;
    this.#settling = true;
    requestAnimationFrame(() => {
      this.#settling = false;
      if (this.following) this.#showEnd();
      else void this.#fill();
      this.#refresh();
      this.#placeChanged();
      this.changed();
    });
  }

  #showEnd() {
    this.#dropFromStore();
    const { rows } = this.#store;
    const wanted = Math.max(0, rows.length - MAX_ROWS);
    const last = this.#first + this.#shown.length;
    if (wanted > last || this.#first > rows.length) {
      this.#clear();
      this.#first = wanted;
    }
    this.#appendRows(rows.length - this.#first - this.#shown.length);
    this.#removeStart(wanted - this.#first);
    if (this.#first > 0 && this.#shown.length < STEP_ROWS) this.#prependRows(STEP_ROWS);
    this.#scrollTo(this.rows.scrollHeight);
  }

  /** Rows that the store gives away are gone from the document too. */
  #dropFromStore() {
    const gone = this.#store.trimStart();
    const kept = Math.max(0, this.#first - gone);
    this.#removeStart(gone - (this.#first - kept));
    this.#first = kept;
  }

  /** @param {number} offset @param {"start"|"middle"} place */
  #showAround(offset, place) {
    const index = this.#store.indexOf(offset);
    this.#clear();
    this.#first = Math.max(0, index - STEP_ROWS);
    this.#appendRows(2 * STEP_ROWS + index - this.#first);
    const element = this.#shown[index - this.#first]?.element;
    const above = place === "middle" ? this.rows.clientHeight / 3 : 0;
    this.#scrollTo((element?.offsetTop ?? 0) - above);
    this.#placeChanged();
    this.changed();
  }

  /** Keeps rows beyond both edges of what is seen, and few others. */
  async #fill() {
    if (this.#filling || this.#going || !this.rows.clientHeight) return;
    this.#filling = true;
    try {
      while (await this.#fillStart());
      while (await this.#fillEnd());
    } catch (error) {
      this.#problem(String(error instanceof Error ? error.message : error));
    } finally {
      this.#filling = false;
    }
    this.#placeChanged();
  }

  /** @returns {Promise<boolean>} whether something was added that may not be enough */
  async #fillStart() {
    if (this.#going || this.rows.scrollTop > MARGIN_PX) return false;
    if (this.#first > 0) {
      this.#prependRows(STEP_ROWS);
      this.#removeEnd(this.#shown.length - MAX_ROWS);
      return true;
    }
    const { start } = this.#store;
    if (start === 0 || !this.#shown.length) return false;
    const from = Math.max(0, start - PAGE_BYTES);
    const parts = await this.source.read(from, start - from);
    if (this.#going || this.#store.start !== start) return false;
    const top = this.#shown[0]?.row.offset ?? 0;
    this.#store.prepend(parts, from);
    this.#first = this.#store.indexOf(top);
    this.#reattach();
    this.#problem("");
    return true;
  }

  async #fillEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.rows;
    if (this.#going || scrollHeight - scrollTop - clientHeight > MARGIN_PX) return false;
    const { rows, end } = this.#store;
    if (this.#first + this.#shown.length < rows.length) {
      this.#appendRows(STEP_ROWS);
      this.#removeStart(this.#shown.length - MAX_ROWS);
      return true;
    }
    if (end >= this.bytes || this.following) return false;
    const parts = await this.source.read(end, PAGE_BYTES);
    if (this.#going || this.#store.end !== end || !parts.length) return false;
    for (const part of parts) this.#store.append(part);
    this.#dropFromStore();
    this.#refresh();
    this.#problem("");
    return true;
  }

  /** The store has made its rows anew: the same rows stand in the document, but may have grown at the start. */
  #reattach() {
    const { rows } = this.#store;
    const left = rows.length - this.#first;
    if (left < this.#shown.length) this.#removeEnd(this.#shown.length - left);
    this.#shown.forEach((shown, index) => (shown.row = rows[this.#first + index] ?? shown.row));
    if (this.#shown[0]) this.#shown[0].drawn = -1;
    this.#refresh();
  }

  /** Rows that have grown are drawn again. */
  #refresh() {
    for (const shown of this.#shown) {
      if (shown.drawn === shown.row.pieces.length) continue;
      const fresh = this.#draw(shown.row);
      shown.element.replaceWith(fresh);
      shown.element = fresh;
      shown.drawn = shown.row.pieces.length;
    }
  }

  #clear() {
    this.#shown = [];
    this.rows.replaceChildren();
  }

  /** @param {number} count */
  #appendRows(count) {
    const from = this.#first + this.#shown.length;
    const fresh = this.#store.rows.slice(from, from + Math.max(0, count)).map((row) => this.#show(row));
    if (fresh.length) this.note.remove();
    this.rows.append(...fresh.map((one) => one.element));
    this.#shown.push(...fresh);
  }

  /** @param {number} count */
  #prependRows(count) {
    const from = Math.max(0, this.#first - count);
    const fresh = this.#store.rows.slice(from, this.#first).map((row) => this.#show(row));
    this.#keepingPlace(() => this.rows.prepend(...fresh.map((one) => one.element)));
    this.#shown.unshift(...fresh);
    this.#first = from;
  }

  /** @param {number} count */
  #removeStart(count) {
    if (count <= 0) return;
    const gone = this.#shown.splice(0, count);
    this.#keepingPlace(() => gone.forEach((one) => one.element.remove()));
    this.#first += gone.length;
  }

  /** @param {number} count */
  #removeEnd(count) {
    if (count <= 0) return;
    for (const one of this.#shown.splice(-count)) one.element.remove();
  }

  /**
   * What is seen stays where it is while rows above it come and go.
   * @param {() => void} change
   */
  #keepingPlace(change) {
    const { scrollTop, scrollHeight } = this.rows;
    change();
    this.#scrollTo(scrollTop + this.rows.scrollHeight - scrollHeight);
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.rows.scrollTop = top;
    this.#ownTop = this.rows.scrollTop;
  }

  /** @param {Row} row */
  #show(row) {
    return { row, drawn: row.pieces.length, element: this.#draw(row) };
  }

  /** @param {Row} row */
  #draw(row) {
    const mark = row.stream === "stderr" ? "err" : row.stream === "system" ? "sys" : null;
    const text = h("span", { class: "text" });
    for (const piece of row.pieces) {
      const parts = this.#marked(piece.text);
      if (piece.class) text.append(h("span", { class: piece.class }, ...parts));
      else text.append(...parts);
    }
    const look = ["line", mark, this.#isFound(row) ? "found" : null].filter(Boolean).join(" ");
    return h("div", { class: look }, h("time", {}, timeOfDay(row.at)), mark ? h("b", {}, mark) : null, text);
  }

  /** @param {string} text @returns {(Node|string)[]} */
  #marked(text) {
    if (!this.#needle) return [text];
    const [within, needle] = [lower(text), lower(this.#needle)];
    const parts = [];
    let from = 0;
    for (let at = within.indexOf(needle); at >= 0; at = within.indexOf(needle, from)) {
      parts.push(text.slice(from, at), h("mark", {}, text.slice(at, at + needle.length)));
      from = at + needle.length;
    }
    return [...parts, text.slice(from)];
  }

  /** @param {Row} row */
  #isFound(row) {
    const found = this.#found;
    return found !== null && found >= row.offset && found < row.offset + Math.max(1, row.size);
  }

  /** @returns {Row|undefined} */
  #topRow() {
    const { scrollTop } = this.rows;
    let [low, high] = [0, this.#shown.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      const element = this.#shown[middle]?.element;
      if (element && element.offsetTop + element.offsetHeight > scrollTop) high = middle;
      else low = middle + 1;
    }
    return this.#shown[low]?.row;
  }

  /** The browser's own scrollbar knows only the window, so a bar of ours stands in its place where that is not everything. */
  #placeChanged() {
    const { rows, start, end } = this.#store;
    const whole = start === 0 && end >= this.bytes && this.#shown.length >= rows.length;
    this.place.hidden = whole;
    this.element.classList.toggle("windowed", !whole);
    if (whole) return;
    this.place.max = String(this.bytes);
    this.place.step = String(Math.max(1, Math.ceil(this.bytes / 1000)));
    if (!this.#placed) this.place.value = String(this.following ? this.bytes : this.offset);
    this.place.setAttribute("aria-valuetext", `line ${this.line.toLocaleString("en-GB")} of ${this.lines.toLocaleString("en-GB")}`);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Home") this.goTo(0, "start");
    else if (event.key === "End") this.follow(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Scrolling up pauses, scrolling to the end follows again; our own scrolling decides nothing. */
  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.rows;
    if (scrollTop === this.#ownTop) return;
    this.#ownTop = -1;
    this.#placed = false;
    const atEnd = scrollTop + clientHeight >= scrollHeight - 24;
    // Who follows may be a few rows behind, until the next paint.
    const isLast = this.following || (this.#store.end >= this.bytes && this.#first + this.#shown.length >= this.#store.rows.length);
    this.following = atEnd && isLast;
    void this.#fill();
    this.#placeChanged();
    this.changed();
  }
}

/**
 * Letters as the server's search compares them, each as long as before.
 * @param {string} text
 */
function lower(text) {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** @param {Uint8Array} bytes of which the last line may have no end yet */
function countLines(bytes) {
  return lineEnds(bytes) + (bytes[bytes.length - 1] === 10 ? 0 : 1);
}
