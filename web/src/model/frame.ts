/** One picture and what a network predicts for it. */

import type { Model, Output } from "./about.js";

/** The values of one output, row by row: `data[channel * height * width + y * width + x]`. */
export interface Values {
  readonly output: Output;
  readonly data: Uint8Array | Int32Array | Float32Array;
  readonly width: number;
  readonly height: number;
}

export interface Frame {
  readonly model: Model;
  /** The picture upright, at most `LARGEST_SIDE` of `images/open.ts` wide and high: for people. */
  readonly picture: HTMLCanvasElement;
  /** What the network was given, RGBA, of the size of the maps. */
  readonly pixels: ImageData;
  /** By the output's name, in the order of the model's outputs. */
  readonly values: ReadonlyMap<string, Values>;
  /** That the network took. */
  readonly seconds: number;
  /** What it ran on, in words: `WebAssembly, 4 threads`. */
  readonly runtime: string;
}
