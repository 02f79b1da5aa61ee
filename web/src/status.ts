/** Status and error messages of the page, which screen readers announce. */

import { byId } from "./elements.js";
import type { Frame } from "./model/frame.js";

export function say(text: string): void {
  byId("status", HTMLElement).textContent = text;
}

/** Shows an error message; an empty text removes it. */
export function fail(text: string): void {
  const host = byId("error", HTMLElement);
  host.textContent = text;
  host.hidden = text === "";
}

/** Shows the speed of a prediction: `street.jpg: 3 maps of 427 × 240 in 0.21 s (4.8 images per second) on WebAssembly`. */
export function saySpeed(frame: Frame, name: string): void {
  const { seconds, runtime, values, pixels } = frame;
  const speed = seconds >= 1 ? seconds.toFixed(1) : seconds.toPrecision(2);
  const rate = 1 / seconds;
  const maps = values.size === 1 ? "one map" : `${values.size} maps`;
  say(
    `${name}: ${maps} of ${pixels.width} × ${pixels.height} in ${speed} s ` +
      `(${rate >= 10 ? rate.toFixed(0) : rate.toPrecision(2)} images per second) on ${runtime}`,
  );
}

/** Shows whether the page is busy, also to assistive technology and tests. */
export function busy(is: boolean): void {
  document.body.classList.toggle("busy", is);
  byId("surfaces", HTMLElement).setAttribute("aria-busy", String(is));
}
