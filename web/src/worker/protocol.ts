/** Requests of the page to the worker, and its answers. */

export type RuntimeName = "wasm" | "webgpu";

export type Request =
  | { readonly id: number; readonly kind: "load"; readonly runtime: string | null; readonly model: string; readonly key: string }
  | { readonly id: number; readonly kind: "run"; readonly key: string; readonly picture: Picture; readonly height: number; readonly width: number };

/** RGBA pixels of any size. */
export interface Picture {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

export interface Ran {
  /** The network's input, RGBA, at its size. */
  readonly pixels: Uint8ClampedArray;
  readonly outputs: Readonly<Record<string, Uint8Array | Int32Array | Float32Array>>;
  /** Inference time of the network, without resizing. */
  readonly seconds: number;
}

export type Answer =
  | { readonly id: number; readonly loaded: { readonly threads: number } }
  | { readonly id: number; readonly ran: Ran }
  | { readonly id: number; readonly error: string };
