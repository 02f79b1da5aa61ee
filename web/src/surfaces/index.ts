/** The surfaces and sources of the page, in their order. */

import type { Source, Surface } from "./surface.js";

export const surfaces: readonly Surface[] = [];

export const sources: readonly Source[] = [];
