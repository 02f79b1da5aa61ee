/** The networks that Python wrote into the page. */

import type { Model } from "./about.js";

export interface Contents {
  readonly models: readonly Model[];
  /** A picture to begin with, as a data URL; empty where there is none. */
  readonly example: string;
  /** Who made it. */
  readonly credit: string;
  /** The licenses of what is inside, as text. */
  readonly licenses: string;
}

/** Reads the element `contents`. Throws an error that a person understands. */
export function contents(): Contents {
  const text = document.getElementById("contents")?.textContent;
  if (!text) throw new Error("This page holds no network: write one with taskscape export RUN --to web");
  return JSON.parse(text) as Contents;
}
