// The list of keys.

import { h } from "./dom.js";

export function keysDialog() {
  const keys = [
    ["?", "these keys"],
    ["Escape", "back, or close"],
    ["/", "search"],
    ["Enter, Shift Enter", "next and previous match"],
    ["Home, End", "begin and end of the output"],
    ["f", "follow or pause the output"],
    ["Tab, Enter", "move and press"],
  ];
  const rows = keys.flatMap(([key, meaning]) => [h("dt", {}, h("kbd", {}, key ?? "")), h("dd", {}, meaning ?? "")]);
  const close = h("button", { class: "quiet" }, "Close");
  return h("dialog", { "aria-label": "Keys" }, h("form", { method: "dialog" }, h("h2", {}, "Keys"), h("dl", {}, ...rows), close));
}
