/** base64 of xz to bytes. */

import { XzReadableStream } from "xz-decompress";

/** Returns the bytes. Throws an error where they are damaged. */
export async function unpack(base64: string): Promise<Uint8Array> {
  // No Blob: WebKit does not read one in a worker of a page from disk.
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
