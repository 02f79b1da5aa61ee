/** The worker, which resizes pictures and runs networks with ONNX Runtime. */

import type * as Ort from "onnxruntime-web/wasm";

import { interleave, resize } from "../images/resize.js";
import type { Answer, Ran, Request, RuntimeName } from "./protocol.js";
import { unpack } from "./unpack.js";

/** Threads need a cross-origin isolated page, which requires a server; pages opened from disk have one thread. */
const MOST_THREADS = 4;

/** Answers requests one after the other. */
export function serve(ort: typeof Ort, runtime: RuntimeName): void {
  const scope = self as unknown as { onmessage: (event: MessageEvent<Request>) => void; postMessage(answer: Answer, transfer: Transferable[]): void };
  const sessions = new Map<string, Ort.InferenceSession>();
  let before: Promise<unknown> = Promise.resolve();

  async function answer(request: Request): Promise<void> {
    try {
      if (request.kind === "load") {
        const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
        if (request.runtime !== null) {
          const binary = await unpack(request.runtime);
          ort.env.wasm.wasmBinary = binary.buffer as ArrayBuffer;
          ort.env.wasm.numThreads = threads;
          ort.env.logLevel = "error";
        }
        const session = await ort.InferenceSession.create(await unpack(request.model), { executionProviders: [runtime], logSeverityLevel: 3 });
        sessions.set(request.key, session);
        scope.postMessage({ id: request.id, loaded: { threads } }, []);
      } else {
        const session = sessions.get(request.key);
        if (!session) throw new Error(`the network ${request.key} was not loaded`);
        const ran = await run(ort, session, request);
        const transfer = [ran.pixels.buffer, ...Object.values(ran.outputs).map((values) => values.buffer)];
        scope.postMessage({ id: request.id, ran }, transfer as ArrayBuffer[]);
      }
    } catch (error) {
      scope.postMessage({ id: request.id, error: error instanceof Error ? error.message : String(error) }, []);
    }
  }

  scope.onmessage = (event) => {
    before = before.then(() => answer(event.data));
  };
}

async function run(ort: typeof Ort, session: Ort.InferenceSession, request: Request & { kind: "run" }): Promise<Ran> {
  const { picture, height, width } = request;
  const planes = resize(picture, height, width);
  const image = new ort.Tensor("uint8", planes, [1, 3, height, width]);
  const start = performance.now();
  const found = await session.run({ image });
  const seconds = (performance.now() - start) / 1000;
  const outputs: Record<string, Uint8Array | Int32Array | Float32Array> = {};
  for (const name of session.outputNames) outputs[name] = plain((found[name] as Ort.Tensor).data);
  return { pixels: interleave(planes), outputs, seconds };
}

/** Returns a copy of the values, with 32-bit ids. */
function plain(data: Ort.Tensor["data"]): Uint8Array | Int32Array | Float32Array {
  if (data instanceof BigInt64Array) return Int32Array.from(data, Number);
  if (data instanceof Uint8Array || data instanceof Int32Array || data instanceof Float32Array) return data.slice();
  throw new Error(`the network returns ${data.constructor.name}, which this page cannot show`);
}
