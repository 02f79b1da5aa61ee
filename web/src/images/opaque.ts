/** Colors without transparency, as in Python. */

/** Returns a bitmap with the colors of its pixels, however transparent; a canvas would show transparent pixels as black. */
export async function withoutAlpha(bitmap: ImageBitmap): Promise<ImageBitmap> {
  let frame: VideoFrame;
  try {
    frame = new VideoFrame(bitmap, { timestamp: 0 });
  } catch {
    return bitmap; // in a browser before 2024, or of a picture with a side above 32767 pixels
  }
  try {
    if (frame.format !== "RGBA" && frame.format !== "BGRA") return bitmap; // it has no transparency
    const pixels = new Uint8ClampedArray(frame.allocationSize());
    await frame.copyTo(pixels);
    const [red, blue] = frame.format === "RGBA" ? [0, 2] : [2, 0];
    for (let i = 0; i < pixels.length; i += 4) {
      [pixels[i], pixels[i + 2], pixels[i + 3]] = [pixels[i + red]!, pixels[i + blue]!, 255];
    }
    return await createImageBitmap(new ImageData(pixels, bitmap.width, bitmap.height));
  } finally {
    frame.close();
  }
}
