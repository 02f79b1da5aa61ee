/** The worker with WebGPU, for browsers that support it and let WebAssembly wait for it (JSPI). */

import * as ort from "onnxruntime-web/jspi";

import { serve } from "./serve.js";

if (!self.name.startsWith("em-pthread")) serve(ort, "webgpu");
