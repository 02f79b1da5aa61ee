/** Bytes that were packed by Python. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { unpack } from "../src/worker/unpack.js";

/** `b"a network" * 50`, by `lzma.compress` with CRC32. */
const PACKED = "/Td6WFoAAAFpIt42AgAhAQgAAADYDyMT4AHBABJdADCICcaUZSZ/eHSDyOHz//AAAAAAAGT75x4AASrCAwAAANjmAuQ+MA2LAgAAAAABWVo=";

test("what Python packed is unpacked, without a Blob, which WebKit does not read in a worker from disk", async () => {
  const { Blob } = globalThis;
  Reflect.deleteProperty(globalThis, "Blob");
  try {
    assert.equal(new TextDecoder().decode(await unpack(PACKED)), "a network".repeat(50));
  } finally {
    globalThis.Blob = Blob;
  }
});
