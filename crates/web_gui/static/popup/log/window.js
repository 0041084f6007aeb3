// The rows of a store that stand in the document: a window that moves over it.

import { drawRow } from "./draw.js";

/** @typedef {import("./rows.js").Row} Row */

/** Rows in the document at most. */
const MAX_ROWS = 400;
/** Rows that are added at a time. */
const STEP_ROWS = 80;

export class RowWindow {
  /** The row of the store that the window begins with; there is one for each of `#shown`. */
  #first = 0;
  /**
   * `drawn`: so many pieces of the row are in the element.
   * @type {{row: Row, drawn: number, element: HTMLElement}[]}
   */
  #shown = [];
  /** Where our own scrolling has led to. */
  #ownTop = 0;
  #needle = "";
  /**
   * The byte of the match that is looked at.
   * @type {number|null}
   */
  #found = null;

  /** @param {import("./store.js").LogStore} store @param {HTMLElement} element scrolls */
  constructor(store, element) {
    this.store = store;
    this.element = element;
  }

  get isAtStart() {
    return this.#first === 0;
  }

  get isAtEnd() {
    return this.#first + this.#shown.length >= this.store.rows.length;
  }

  /** The first row in the document. */
  get first() {
    return this.#shown[0]?.row;
  }

  /** The first row that can be seen. */
  get top() {
    const { scrollTop } = this.element;
    let [low, high] = [0, this.#shown.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      const element = this.#shown[middle]?.element;
      if (element && element.offsetTop + element.offsetHeight > scrollTop) high = middle;
      else low = middle + 1;
    }
    return this.#shown[low]?.row;
  }

  /** Pixels of rows above and below of what can be seen. */
  get margins() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    return { above: scrollTop, below: scrollHeight - scrollTop - clientHeight };
  }

  /** Whether a person has scrolled since the last look; our own scrolling decides nothing. */
  wasScrolled() {
    const scrolled = this.element.scrollTop !== this.#ownTop;
    if (scrolled) this.#ownTop = -1;
    return scrolled;
  }

  clear() {
    this.#first = 0;
    this.#shown = [];
    this.element.replaceChildren();
  }

  /** Moves to the end of the store. */
  showEnd() {
    this.trimStore();
    const { length } = this.store.rows;
    const wanted = Math.max(0, length - MAX_ROWS);
    if (wanted > this.#first + this.#shown.length || this.#first > length) {
      this.clear();
      this.#first = wanted;
    }
    this.#append(length - this.#first - this.#shown.length);
    this.#removeStart(wanted - this.#first);
    if (this.#shown.length < STEP_ROWS) this.#prepend(STEP_ROWS);
    this.#scrollTo(this.element.scrollHeight);
  }

  /** @param {number} offset of a byte that the store holds @param {"start"|"middle"} place where its row is to be seen */
  showAround(offset, place) {
    const index = this.store.indexOf(offset);
    this.clear();
    this.#first = Math.max(0, index - STEP_ROWS);
    this.#append(2 * STEP_ROWS + index - this.#first);
    const top = this.#shown[index - this.#first]?.element.offsetTop ?? 0;
    this.#scrollTo(place === "middle" ? top - this.element.clientHeight / 3 : top);
  }

  addBefore() {
    this.#prepend(STEP_ROWS);
    this.#removeEnd(this.#shown.length - MAX_ROWS);
  }

  addAfter() {
    this.#append(STEP_ROWS);
    this.#removeStart(this.#shown.length - MAX_ROWS);
  }

  /** What the store holds too much is given away at its start, here as well. */
  trimStore() {
    const gone = this.store.trimStart();
    const kept = Math.max(0, this.#first - gone);
    this.#removeStart(gone - (this.#first - kept));
    this.#first = kept;
  }

  /**
   * The store has made its rows anew: the same ones stand here, but the first may have grown at its start.
   * @param {number} offset of the first row here
   */
  reattach(offset) {
    const { rows } = this.store;
    this.#first = this.store.indexOf(offset);
    this.#removeEnd(this.#shown.length - (rows.length - this.#first));
    this.#shown.forEach((shown, index) => (shown.row = rows[this.#first + index] ?? shown.row));
    if (this.#shown[0]) this.#shown[0].drawn = -1;
    this.refresh();
  }

  /** Draws rows again that have grown. */
  refresh() {
    for (const shown of this.#shown) {
      if (shown.drawn === shown.row.pieces.length) continue;
      const fresh = this.#draw(shown.row);
      shown.element.replaceWith(fresh.element);
      Object.assign(shown, fresh);
    }
  }

  /**
   * Marks a text wherever it stands, and the row of one match more.
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
    this.refresh();
  }

  /** @param {number} count */
  #append(count) {
    const from = this.#first + this.#shown.length;
    const fresh = this.store.rows.slice(from, from + Math.max(0, count)).map((row) => this.#draw(row));
    this.element.append(...fresh.map((one) => one.element));
    this.#shown.push(...fresh);
  }

  /** @param {number} count */
  #prepend(count) {
    const from = Math.max(0, this.#first - count);
    const fresh = this.store.rows.slice(from, this.#first).map((row) => this.#draw(row));
    this.#keepingPlace(() => this.element.prepend(...fresh.map((one) => one.element)));
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
    const { scrollTop, scrollHeight } = this.element;
    change();
    this.#scrollTo(scrollTop + this.element.scrollHeight - scrollHeight);
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.element.scrollTop = top;
    this.#ownTop = this.element.scrollTop;
  }

  /** @param {Row} row */
  #draw(row) {
    return { row, drawn: row.pieces.length, element: drawRow(row, this.#needle, this.#isFound(row)) };
  }

  /** @param {Row} row */
  #isFound(row) {
    const found = this.#found;
    return found !== null && found >= row.offset && found < row.offset + Math.max(1, row.size);
  }
}
