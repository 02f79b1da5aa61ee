/** The content that Python wrote into the page. */

import type { Model } from "./about.js";

export interface Contents {
  readonly models: readonly Model[];
  /** An example picture as a data URL; empty if there is none. */
  readonly example: string;
  /** Author of the example picture. */
  readonly credit: string;
  /** Licenses of the page's components, as text. */
  readonly licenses: string;
}

/** Reads the element `contents`. Throws an error with a message for users. */
export function contents(): Contents {
  const text = document.getElementById("contents")?.textContent;
  if (!text) throw new Error("This page has no network: create one with taskscape export RUN --to web");
  return JSON.parse(text) as Contents;
}
