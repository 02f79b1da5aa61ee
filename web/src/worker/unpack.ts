/** Decodes base64 and decompresses xz. */

import { XzReadableStream } from "xz-decompress";

/** Returns the bytes. Throws an error if they are damaged. */
export async function unpack(base64: string): Promise<Uint8Array> {
  // Does not use a Blob, which WebKit cannot read in a worker of a page opened from disk.
  const packed = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(fromBase64(base64));
      controller.close();
    },
  });
  return new Uint8Array(await new Response(new XzReadableStream(packed)).arrayBuffer());
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> };
  if (native.fromBase64) return native.fromBase64(text);
  const decoded = atob(text);
  const bytes = new Uint8Array(decoded.length);
  for (let i = 0; i < decoded.length; i++) bytes[i] = decoded.charCodeAt(i);
  return bytes;
}
