// Colour codes in output: the few that are obeyed, and the rest made visible.

// Bidirectional overrides and C1 controls can make a line look like another one: they are shown, not obeyed.
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const PARTIAL = /(?:\u001b(?:\[[0-9;:]{0,64})?|\r)$/;
const SGR = /\u001b\[([0-9;:]*)m/g;

/** @typedef {{text: string, class: string}} Piece text of one look */

/** @param {string} character */
function visible(character) {
  const code = character.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
}

/**
 * Text of which nothing is obeyed.
 * @param {string} text
 */
export function plain(text) {
  return text.replace(UNSAFE, visible);
}

/** Cuts one stream's bytes into pieces of text with the classes that its colour codes ask for. All other escapes come out as visible text. */
export class Painter {
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #held = "";
  /** @type {{colour: string, styles: Set<string>}} */
  #pen = { colour: "", styles: new Set() };

  /**
   * What can be shown of a stretch of a line. A character or code that is not complete yet is held back.
   * @param {Uint8Array} bytes @returns {Piece[]}
   */
  paint(bytes) {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true });
    const partial = PARTIAL.exec(text);
    this.#held = partial?.[0] ?? "";
    return this.#pieces(partial ? text.slice(0, partial.index) : text);
  }

  /** What was held back, since the line ends here. */
  endLine() {
    const rest = this.#held + this.#decoder.decode();
    this.#held = "";
    return this.#pieces(rest.replace(/\r$/, ""));
  }

  /** @param {string} text @returns {Piece[]} */
  #pieces(text) {
    const pieces = [];
    let from = 0;
    for (const code of text.matchAll(SGR)) {
      pieces.push(this.#piece(text.slice(from, code.index)));
      this.#apply((code[1] ?? "").split(/[;:]/).map(Number));
      from = (code.index ?? 0) + (code[0] ?? "").length;
    }
    pieces.push(this.#piece(text.slice(from)));
    return pieces.filter((piece) => piece.text);
  }

  /** @param {string} text */
  #piece(text) {
    return { text: plain(text), class: [...this.#pen.styles, this.#pen.colour].filter(Boolean).join(" ") };
  }

  /** @param {number[]} codes */
  #apply(codes) {
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at] ?? 0;
      if (code === 38 || code === 48) {
        const indexed = codes[at + 1] === 5;
        const colour = codes[at + 2] ?? 16;
        if (code === 38 && indexed && colour < 16) this.#pen.colour = `colour-${colour % 8}`;
        at += indexed ? 2 : 4;
      } else this.#applyOne(code);
    }
  }

  /** @param {number} code */
  #applyOne(code) {
    const { styles } = this.#pen;
    if (code === 0) this.#pen = { colour: "", styles: new Set() };
    else if (code === 1) styles.add("bold");
    else if (code === 2) styles.add("faint");
    else if (code === 3) styles.add("italic");
    else if (code === 4) styles.add("underline");
    else if (code === 22) ["bold", "faint"].forEach((name) => styles.delete(name));
    else if (code === 23) styles.delete("italic");
    else if (code === 24) styles.delete("underline");
    else if (code === 39) this.#pen.colour = "";
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) this.#pen.colour = `colour-${code % 10}`;
  }
}
