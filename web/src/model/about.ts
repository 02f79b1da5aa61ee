/** The description of a network, which `taskscape export --to web` writes into the page. */

export type Color = readonly [red: number, green: number, blue: number];

/** Class ids, with one color per class. */
export interface ClassesDrawing {
  readonly kind: "classes";
  readonly names: readonly string[];
  readonly colors: readonly Color[];
}

/** Numbers on a color scale, such as meters. */
export interface ScaleDrawing {
  readonly kind: "scale";
  /** Colors from position 0 to 1. */
  readonly colors: readonly Color[];
  /** Whether the scale is logarithmic. */
  readonly logarithmic: boolean;
  /** Values at both ends; null for the 2nd and 98th percentile of a map. */
  readonly ends: readonly [number, number] | null;
  /** Whether values of a map are divided by its median, because their scale is unknown. */
  readonly relative: boolean;
  /** Positions and texts of the legend's ticks, if `ends` are the same for every map. */
  readonly ticks: readonly (readonly [place: number, words: string])[];
}

/** Unit vectors, with the color `(vector * signs / 2 + 1 / 2) * 255` for each direction. */
export interface DirectionsDrawing {
  readonly kind: "directions";
  readonly signs: readonly [number, number, number];
}

/** Red, green and blue: `value ** gamma * factor + offset` of each channel. */
export interface ChannelsDrawing {
  readonly kind: "channels";
  readonly factor: readonly [number, number, number];
  readonly offset: number;
  readonly gamma: number;
}

export type Drawing = ClassesDrawing | ScaleDrawing | DirectionsDrawing | ChannelsDrawing;

/** A network's output for one task, or its confidence. */
export interface Output {
  /** Name of the output in the model: the task's name, or `TASK.confidence`. */
  readonly name: string;
  readonly title: string;
  /** Unit, such as `m`; empty if values have none, `%` if they are shares in 0..1. */
  readonly unit: string;
  /** Values per pixel: 1 for classes and meters, 3 for vectors. */
  readonly channels: number;
  /** A sentence about the colors; may be empty. */
  readonly text: string;
  readonly drawing: Drawing;
  /** The task whose confidence this is. */
  readonly of?: string;
}

export interface About {
  /** Displayed name of the network. */
  readonly name: string;
  /** One or two sentences about the network and its training data. */
  readonly text: string;
  /** The color of a pixel without a value. */
  readonly invalid: Color;
  /** Height in pixels at which the network is most accurate, to which images are scaled. */
  readonly height: number;
  /** Required height and width of images; null for any. */
  readonly fixed: readonly [number, number] | null;
  /** Focal length of the training images, in image heights; null if it is unknown. */
  readonly focal?: number | null;
  readonly outputs: readonly Output[];
}

/** Expected results for the test picture of `probe.ts`, which WebGPU must reproduce before it is used. */
export interface Probe {
  readonly height: number;
  readonly width: number;
  /** Mean of the values over all channels, by the output's name. */
  readonly means: Readonly<Record<string, number>>;
}

/** A network of the page. */
export interface Model {
  readonly about: About;
  /** Name of the resource with the ONNX file; see `resources.ts`. */
  readonly resource: string;
  readonly probe: Probe;
}
