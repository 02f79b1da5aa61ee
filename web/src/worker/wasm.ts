/** The worker with WebAssembly, which runs in every browser. */

import * as ort from "onnxruntime-web/wasm";

import { serve } from "./serve.js";

if (!self.name.startsWith("em-pthread")) serve(ort, "wasm"); // threads of the runtime run this file too
