/** Draws points as squares on a 2D canvas, the nearest in front. Does not use WebGL, which many machines lack. */

import type { Change } from "./cloud-hands.js";
import type { Points } from "./cloud-points.js";

/** Pose of the viewing camera, which orbits a center point in front of the picture's own camera. */
export interface Pose {
  /** Rotation to the right, in radians. */
  yaw: number;
  /** Rotation upwards, in radians. */
  pitch: number;
  /** Distance from the center point, relative to that of the picture's own camera. */
  distance: number;
  /** Shift of the scene to the right and down, as a share of the distance of the center point. */
  x: number;
  y: number;
}

/** Pose of the camera that took the picture. */
export const OWN: Pose = { yaw: 0, pitch: 0, distance: 1, x: 0, y: 0 };

/** Initial pose, slightly above and beside the picture's own camera to make the depth visible. */
export const START: Pose = { yaw: 0.22, pitch: 0.1, distance: 1.15, x: 0, y: 0 };

const LARGEST_SQUARE = 24;

/** Size of a drawn point, relative to its pixel. */
const LARGER = 1.4;

/** Returns a pose after a change, within bounds that keep the ground below. */
export function moved(pose: Pose, change: Change): Pose {
  return {
    yaw: pose.yaw + (change.yaw ?? 0),
    pitch: clamp(pose.pitch + (change.pitch ?? 0), -1.5, 1.5),
    distance: clamp(pose.distance / (change.closer ?? 1), 0.1, 8),
    x: clamp(pose.x + (change.x ?? 0) * pose.distance, -4, 4),
    y: clamp(pose.y + (change.y ?? 0) * pose.distance, -4, 4),
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** A pixel buffer that is reused for every drawing. */
export class Screen {
  /** RGBA, as in `ImageData`. */
  readonly bytes: Uint8ClampedArray<ArrayBuffer>;
  private readonly colors: Uint32Array;
  private readonly nearest: Float32Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.bytes = new Uint8ClampedArray(4 * width * height);
    this.colors = new Uint32Array(this.bytes.buffer);
    this.nearest = new Float32Array(width * height);
  }

  /** Draws points in the colors of their pixels on a transparent background; `imageWidth` is that of the depth map. */
  draw(points: Points, imageWidth: number, imageHeight: number, colors: Uint32Array, pose: Pose): void {
    this.colors.fill(0);
    this.nearest.fill(Infinity);
    const { width, height } = this;
    // The picture's own view fills the screen.
    const zoom = Math.max(width / imageWidth, height / imageHeight);
    const focal = points.focal * zoom;
    const { positions, pixels, gaps, middle } = points;
    const [sy, cy, sp, cp] = [Math.sin(pose.yaw), Math.cos(pose.yaw), Math.sin(pose.pitch), Math.cos(pose.pitch)];
    const away = pose.distance * middle;
    const [tx, ty] = [pose.x * middle, pose.y * middle];
    const least = 0.02 * middle;
    const turned = Math.sin(Math.min(1.5, Math.hypot(pose.yaw, pose.pitch)));
    for (let i = 0, at = 0; i < pixels.length; i++, at += 3) {
      const z = positions[at + 2]!;
      const px = positions[at]!;
      const py = positions[at + 1]!;
      const pz = z - middle;
      const rx = cy * px + sy * pz;
      const rz = cy * pz - sy * px;
      const ry = cp * py - sp * rz;
      const depth = cp * rz + sp * py + away;
      if (depth < least) continue;
      const scale = focal / depth;
      // About as large as its pixel, and larger as the view turns, to cover gaps that the picture's own camera did not see.
      const side = Math.min(LARGEST_SQUARE, Math.max(1, Math.ceil((LARGER * zoom * z * (1 + (gaps[i]! - 1) * turned)) / depth)));
      const left = Math.round(width / 2 + (rx + tx) * scale - side / 2);
      const top = Math.round(height / 2 + (ry + ty) * scale - side / 2);
      if (left >= width || top >= height || left + side <= 0 || top + side <= 0) continue;
      const color = colors[pixels[i]!]!;
      const [right, bottom] = [Math.min(width, left + side), Math.min(height, top + side)];
      for (let y = Math.max(0, top); y < bottom; y++) {
        for (let place = y * width + Math.max(0, left); place < y * width + right; place++) {
          if (depth < this.nearest[place]!) {
            this.nearest[place] = depth;
            this.colors[place] = color;
          }
        }
      }
    }
  }
}
