/** The surfaces and sources of the page, in order. */

import { camera } from "./camera.js";
import { cloud } from "./cloud.js";
import { compare } from "./compare.js";
import { maps } from "./maps.js";
import type { Source, Surface } from "./surface.js";

export const surfaces: readonly Surface[] = [maps, cloud, compare];

export const sources: readonly Source[] = [camera];
