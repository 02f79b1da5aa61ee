/** What is known of a network: `about.json`, written by `taskscape export --to web`. */

export type Color = readonly [red: number, green: number, blue: number];

/** Class ids: each class has its color. */
export interface ClassesDrawing {
  readonly kind: "classes";
  readonly names: readonly string[];
  readonly colors: readonly Color[];
}

/** Numbers on a color scale, such as metres. */
export interface ScaleDrawing {
  readonly kind: "scale";
  /** From position 0 to 1. */
  readonly colors: readonly Color[];
  /** Whether positions go by the logarithm. */
  readonly logarithmic: boolean;
  /** Values at both ends; null for the 2nd and 98th percentile of a map. */
  readonly ends: readonly [number, number] | null;
  /** Whether values of one map are divided by its median, because their scale is not known. */
  readonly relative: boolean;
  /** Marks of the legend, place and words, where `ends` are the same for every map. */
  readonly ticks: readonly (readonly [place: number, words: string])[];
}

/** Unit vectors: a color per direction, `(vector * signs / 2 + 1 / 2) * 255`. */
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

/** What a network says of one task, or how sure it is of it. */
export interface Output {
  /** That of the output in the model: the task's name, or `TASK.confidence`. */
  readonly name: string;
  readonly title: string;
  /** Such as `m`; empty where values have none, `%` where they are shares in 0..1. */
  readonly unit: string;
  /** Numbers of a pixel: 1 for classes and metres, 3 for vectors. */
  readonly channels: number;
  /** A sentence about the colors; may be empty. */
  readonly text: string;
  readonly drawing: Drawing;
  /** The task whose confidence this is. */
  readonly of?: string;
}

export interface About {
  /** Of the network, for people. */
  readonly name: string;
  /** A sentence: on what it was trained. */
  readonly text: string;
  /** The color of a pixel without a value. */
  readonly invalid: Color;
  /** Height in pixels at which the network is most accurate: images are scaled to it. */
  readonly height: number;
  /** Height and width of the only images that it takes; null for any. */
  readonly fixed: readonly [number, number] | null;
  /** Focal length of the pictures that it was trained with, in heights of the picture; null where it is not known. */
  readonly focal?: number | null;
  readonly outputs: readonly Output[];
}

/** A picture that every runtime must compute as Python did, before it is used: RGB noise of `probe.ts`. */
export interface Probe {
  readonly height: number;
  readonly width: number;
  /** By the output's name: the mean of its values, over all channels. */
  readonly means: Readonly<Record<string, number>>;
}

/** A network of the page. */
export interface Model {
  readonly about: About;
  /** The name of the resource that holds the ONNX file: see `resources.ts`. */
  readonly resource: string;
  readonly probe: Probe;
}
