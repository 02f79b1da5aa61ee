/** Converts a depth map to points in space, with a pinhole camera whose axis passes through the center of the image. */

import { percentile } from "../numbers.js";

export interface Points {
  /** Three numbers per point, x right, y down, z forward, in the unit of the depth map. */
  readonly positions: Float32Array;
  /** Index of the pixel of every point, row by row. */
  readonly pixels: Uint32Array;
  /** Distance to the pixel above or below, in pixel widths; surfaces seen at a slant have wide gaps. */
  readonly gaps: Float32Array;
  /** Focal length in pixels. */
  readonly focal: number;
  /** Median distance of the points. */
  readonly middle: number;
}

export interface Depth {
  readonly data: ArrayLike<number>;
  readonly width: number;
  readonly height: number;
}

/** Pixels that are farther than a neighbor by more than this share are left out as edges between objects. */
const JUMP = 0.12;

const WIDEST_GAP = 6;

/** Returns the focal length in pixels of a camera with this horizontal field of view, in degrees. */
export function focalOf(degrees: number, width: number): number {
  return width / 2 / Math.tan((degrees * Math.PI) / 360);
}

/** Returns the points of all pixels up to the distance `far`, without those at edges between objects. */
export function pointsOf(depth: Depth, focal: number, far: number): Points {
  const { data, width, height } = depth;
  const positions = new Float32Array(3 * width * height);
  const pixels = new Uint32Array(width * height);
  const gaps = new Float32Array(width * height);
  let count = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = y * width + x;
      const z = data[pixel]!;
      if (!(z > 0 && z <= far) || jumps(data, width, height, x, y)) continue;
      positions[3 * count] = ((x - (width - 1) / 2) * z) / focal;
      positions[3 * count + 1] = ((y - (height - 1) / 2) * z) / focal;
      positions[3 * count + 2] = z;
      const above = Math.abs(z - (data[pixel - width] ?? z));
      const below = Math.abs(z - (data[pixel + width] ?? z));
      gaps[count] = Math.min(WIDEST_GAP, Math.hypot(1, (Math.min(above, below) * focal) / z)) || 1;
      pixels[count++] = pixel;
    }
  }
  const kept = positions.slice(0, 3 * count);
  const distances = Float32Array.from({ length: count }, (_, i) => kept[3 * i + 2]!);
  const middle = within(distances, 50);
  return { positions: kept, pixels: pixels.slice(0, count), gaps: gaps.slice(0, count), focal, middle };
}

/** Returns a percentile of the distances, ignoring pixels without one; 1 if no pixel has one. */
export function within(distances: ArrayLike<number>, percent: number): number {
  const sorted = Float32Array.from(distances).filter((z) => z > 0 && z < Infinity).sort();
  return sorted.length ? percentile(sorted, percent) : 1;
}

function jumps(data: ArrayLike<number>, width: number, height: number, x: number, y: number): boolean {
  const pixel = y * width + x;
  const z = data[pixel]!;
  const limit = JUMP * z;
  return (
    (x > 0 && z - data[pixel - 1]! > limit) ||
    (x < width - 1 && z - data[pixel + 1]! > limit) ||
    (y > 0 && z - data[pixel - width]! > limit) ||
    (y < height - 1 && z - data[pixel + width]! > limit)
  );
}
