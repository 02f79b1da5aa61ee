/** Opens a file as an upright picture. Errors state what is wrong with the file. */

import { sizeInHeader } from "./header.js";
import { withoutAlpha } from "./opaque.js";

/** Larger pictures are scaled down to this size. */
export const LARGEST_SIDE = 4096;
/** Limits for pictures that are opened at all. */
const MOST_MEGAPIXELS = 100;
const MOST_MEGABYTES = 100;
/** Bytes in which the size is searched: its position in a JPEG depends on what the camera writes before it. */
const HEADER_BYTES = 1 << 20;

/** Returns the picture of a file. Throws an error that states the problem, and what can be opened. */
export async function openPicture(file: Blob, name: string): Promise<HTMLCanvasElement> {
  if (file.size === 0) throw new Error(`${name} is empty: choose another picture`);
  if (file.size > MOST_MEGABYTES * 1e6)
    throw new Error(`${name} has ${Math.round(file.size / 1e6)} MB: choose a picture of at most ${MOST_MEGABYTES} MB`);
  const size = sizeInHeader(await beginning(file, name));
  const megapixels = size ? (size[0] * size[1]) / 1e6 : 0;
  if (size && megapixels > MOST_MEGAPIXELS)
    throw new Error(
      `${name} has ${size[0]} × ${size[1]} pixels: make it smaller, at most ${MOST_MEGAPIXELS} million pixels can be opened`,
    );
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    if (size) {
      const pixels = `${size[0]} × ${size[1]} pixels`;
      throw new Error(`${name} (${pixels}) cannot be opened: it is damaged, or too large for this device; choose another picture`);
    }
    const kind = file.type.startsWith("image/") ? `, a picture of type ${file.type.slice(6)},` : "";
    throw new Error(`${name}${kind} cannot be opened by this browser: choose a JPEG, PNG or WebP picture`);
  }
  try {
    const opaque = await withoutAlpha(bitmap);
    const canvas = toCanvas(opaque, opaque.width, opaque.height);
    opaque.close();
    return canvas;
  } finally {
    bitmap.close();
  }
}

async function beginning(file: Blob, name: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer());
  } catch {
    throw new Error(`${name} cannot be read: it is a folder, or was moved or changed; choose it again, or another picture`);
  }
}

/** Returns the content of an image, bitmap or video as a picture, scaled down if it is too large. */
export function toCanvas(source: CanvasImageSource, width: number, height: number): HTMLCanvasElement {
  const scale = Math.min(1, LARGEST_SIDE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser does not have enough memory for the picture: close other pages and try again");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}
