// Where the service lives on its host: what stands before /assets/ in this module's own address. Empty: at the root.

export const BASE = /^(.*)\/assets\//.exec(new URL(import.meta.url).pathname)?.[1] ?? "";
