/** What `xz-decompress` takes from Node's `stream/web`. */

export const ReadableStream = globalThis.ReadableStream;
