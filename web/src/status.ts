/** What the page says: what it does, and what went wrong. Screen readers read both out. */

import { byId } from "./elements.js";
import type { Frame } from "./model/frame.js";

export function say(text: string): void {
  byId("status", HTMLElement).textContent = text;
}

/** Says what went wrong; an empty text takes it away. */
export function fail(text: string): void {
  const host = byId("error", HTMLElement);
  host.textContent = text;
  host.hidden = text === "";
}

/** Says how fast a prediction was: `street.jpg: 0.21 s, 4.8 images a second on WebAssembly`. */
export function saySpeed(frame: Frame, name: string): void {
  const { seconds, runtime, values, pixels } = frame;
  const speed = seconds >= 1 ? seconds.toFixed(1) : seconds.toPrecision(2);
  const rate = 1 / seconds;
  const maps = values.size === 1 ? "one map" : `${values.size} maps`;
  say(
    `${name}: ${maps} of ${pixels.width} × ${pixels.height} in ${speed} s ` +
      `(${rate >= 10 ? rate.toFixed(0) : rate.toPrecision(2)} images a second) on ${runtime}`,
  );
}

/** Says that something takes long, to people and to programs. */
export function busy(is: boolean): void {
  document.body.classList.toggle("busy", is);
  byId("surfaces", HTMLElement).setAttribute("aria-busy", String(is));
}
