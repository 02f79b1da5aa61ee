/** What the page asks of the worker, and what it answers. */

export type RuntimeName = "wasm" | "webgpu";

export type Request =
  | { readonly id: number; readonly kind: "load"; readonly runtime: string | null; readonly model: string; readonly key: string }
  | { readonly id: number; readonly kind: "run"; readonly key: string; readonly picture: Picture; readonly height: number; readonly width: number };

/** Pixels of any size, RGBA. */
export interface Picture {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

export interface Ran {
  /** What the network was given, RGBA, at its size. */
  readonly pixels: Uint8ClampedArray;
  readonly outputs: Readonly<Record<string, Uint8Array | Int32Array | Float32Array>>;
  /** That the network took, without the resizing. */
  readonly seconds: number;
}

export type Answer =
  | { readonly id: number; readonly loaded: { readonly threads: number } }
  | { readonly id: number; readonly ran: Ran }
  | { readonly id: number; readonly error: string };
