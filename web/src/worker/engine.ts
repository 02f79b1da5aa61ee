/** Runs networks on the best runtime that this browser supports. */

import type { Model } from "../model/about.js";
import type { Frame, Values } from "../model/frame.js";
import { agrees, probePixels } from "../model/probe.js";
import { resource } from "../model/resources.js";
import { interleave } from "../images/resize.js";
import { inputSize } from "../images/size.js";
import { Runner } from "./client.js";
import type { Ran, RuntimeName } from "./protocol.js";

const TITLES: Readonly<Record<RuntimeName, string>> = { wasm: "WebAssembly", webgpu: "WebGPU" };

/** A loaded network. */
interface Ready {
  readonly runner: Runner;
  readonly threads: number;
}

export class Engine {
  readonly #ready = new Map<string, Promise<Ready>>();
  readonly #runners = new Map<RuntimeName, Runner>();
  #gpu: Promise<boolean> | undefined;

  /** `say` is called with messages about steps that take long. */
  constructor(readonly say: (text: string) => void) {}

  /** Predicts a picture. Throws an error with the remedy. */
  async predict(model: Model, picture: HTMLCanvasElement): Promise<Frame> {
    const [height, width] = inputSize(model.about, picture.height, picture.width);
    const { runner, threads } = await this.#prepared(model);
    const context = picture.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("This browser does not have enough memory for the picture: close other pages and try again");
    const { data } = context.getImageData(0, 0, picture.width, picture.height);
    const size = { width: picture.width, height: picture.height };
    let ran: Ran;
    try {
      ran = await runner.run(model.resource, { data, ...size }, height, width);
    } catch (error) {
      this.#end(runner); // it may be out of memory or have lost the GPU, so the next picture starts a new one
      if (runner.name === "wasm") throw error;
      this.#gpu = Promise.resolve(false);
      return this.predict(model, picture);
    }
    const values = new Map<string, Values>();
    for (const output of model.about.outputs) {
      const found = ran.outputs[output.name];
      if (!found) throw new Error(`The network has no output ${output.title}: export it again`);
      values.set(output.name, { output, data: found, width, height });
    }
    const pixels = new ImageData(ran.pixels as Uint8ClampedArray<ArrayBuffer>, width, height);
    const runtime = `${TITLES[runner.name]}${threads > 1 ? `, ${threads} threads` : ""}`;
    return { model, picture, pixels, values, seconds: ran.seconds, runtime };
  }

  async #prepared(model: Model): Promise<Ready> {
    let ready = this.#ready.get(model.resource);
    if (!ready || (await ready).runner.stopped) {
      ready = this.#load(model);
      this.#ready.set(model.resource, ready);
      ready.catch(() => this.#ready.delete(model.resource)); // retry with the next picture
    }
    return ready;
  }

  async #load(model: Model): Promise<Ready> {
    this.say(`Loading ${model.about.name} …`);
    const weights = await resource(model.resource);
    if (await (this.#gpu ??= hasWebGpu())) {
      try {
        const ready = await this.#loaded("webgpu", model, weights);
        if (await right(ready.runner, model)) return ready;
        console.warn("WebGPU computes wrong values on this device and is not used");
      } catch (error) {
        console.warn("WebGPU is not used:", error);
        this.#gpu = Promise.resolve(false);
      }
    }
    return this.#loaded("wasm", model, weights);
  }

  async #loaded(name: RuntimeName, model: Model, weights: string): Promise<Ready> {
    const runner = this.#runners.get(name) ?? new Runner(name);
    this.#runners.set(name, runner);
    try {
      const threads = await runner.load(model.resource, weights, () => resource(`runtime-${name}`));
      return { runner, threads };
    } catch (error) {
      this.#end(runner);
      throw error;
    }
  }

  /** Ends a runtime; its networks are loaded again on demand. */
  #end(runner: Runner): void {
    runner.stop();
    if (this.#runners.get(runner.name) === runner) this.#runners.delete(runner.name);
  }
}

/** Returns whether the values for the test picture agree with those of Python. */
async function right(runner: Runner, model: Model): Promise<boolean> {
  const { height, width } = model.probe;
  const picture = { data: interleave(probePixels(height, width)), height, width };
  const { outputs } = await runner.run(model.resource, picture, height, width);
  return agrees(model.probe, new Map(Object.entries(outputs)));
}

/** Returns whether a GPU is available for use. `#runtime=wasm` in the page's address disables it. */
async function hasWebGpu(): Promise<boolean> {
  if (location.hash.includes("runtime=wasm")) return false;
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
  if (!gpu || !("Suspending" in WebAssembly)) return false;
  try {
    return (await gpu.requestAdapter()) !== null;
  } catch {
    return false;
  }
}
