/** The size of a picture from the first bytes of its file, before a browser allocates memory for it. */

/** Returns width and height of PNG, JPEG, GIF, WebP and BMP files; null for other files and if the bytes end too early. */
export function sizeInHeader(bytes: Uint8Array): [width: number, height: number] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (starts(bytes, 0, "\x89PNG")) return [view.getUint32(16), view.getUint32(20)];
    if (starts(bytes, 0, "GIF8")) return [view.getUint16(6, true), view.getUint16(8, true)];
    if (starts(bytes, 0, "BM")) return [view.getInt32(18, true), Math.abs(view.getInt32(22, true))];
    if (starts(bytes, 0, "RIFF") && starts(bytes, 8, "WEBP")) return webp(bytes, view);
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

function starts(bytes: Uint8Array, at: number, text: string): boolean {
  return [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0));
}

function webp(bytes: Uint8Array, view: DataView): [number, number] | null {
  if (starts(bytes, 12, "VP8X")) {
    const three = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    return [three(24) + 1, three(27) + 1];
  }
  if (starts(bytes, 12, "VP8L")) {
    const packed = view.getUint32(21, true);
    return [(packed & 0x3fff) + 1, ((packed >>> 14) & 0x3fff) + 1];
  }
  return starts(bytes, 12, "VP8 ") ? [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff] : null;
}

function jpeg(view: DataView): [number, number] | null {
  for (let at = 2; view.getUint8(at) === 0xff; ) {
    const marker = view.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return [view.getUint16(at + 7), view.getUint16(at + 5)];
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return null;
}
