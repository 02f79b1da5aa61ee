/** Replacement for Node's `stream/web`, as needed by `xz-decompress`. */

export const ReadableStream = globalThis.ReadableStream;
