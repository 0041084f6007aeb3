// A chunk of output as the API sends it, turned into bytes.

/**
 * @param {Chunk} chunk @param {number} from bytes before this one are cut off @returns {import("./rows.js").Part}
 */
export function partOf(chunk, from) {
  const bytes = bytesOf(chunk);
  const cut = Math.max(0, from - chunk.offset);
  return {
    offset: chunk.offset + cut,
    firstLine: chunk.first_line + lineEnds(bytes.subarray(0, cut)),
    stream: chunk.stream,
    at: chunk.written_at,
    bytes: bytes.subarray(cut),
  };
}

/** @param {Uint8Array} bytes */
export function lineEnds(bytes) {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

/** @param {Chunk} chunk */
function bytesOf(chunk) {
  if (chunk.base64 === undefined) return new TextEncoder().encode(chunk.text ?? "");
  return Uint8Array.from(atob(chunk.base64), (character) => character.charCodeAt(0));
}
