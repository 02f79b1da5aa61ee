/** A picture and a network's predictions for it. */

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
  /** The displayed picture: upright, with sides of at most `LARGEST_SIDE` of `images/open.ts`. */
  readonly picture: HTMLCanvasElement;
  /** The network's input, RGBA, of the size of the maps. */
  readonly pixels: ImageData;
  /** Values by the output's name, in the order of the model's outputs. */
  readonly values: ReadonlyMap<string, Values>;
  /** Inference time of the network. */
  readonly seconds: number;
  /** The runtime, such as `WebAssembly, 4 threads`. */
  readonly runtime: string;
}
