/** A point on a picture that can be moved with a finger, the mouse or the arrow keys. */

import { element } from "../elements.js";

/** Distance per key press, as a share of the picture, without and with Shift. */
const STEP = 0.01;
const STRIDE = 0.1;

const KEYS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class Pointer {
  /** Position as shares of the picture, 0..1. */
  x = 0.5;
  y = 0.6;
  readonly #mark = element("span", { className: "mark" });

  /** Shows the point on an element, and calls `moved` whenever it moves. */
  constructor(
    readonly host: HTMLElement,
    readonly moved: () => void,
  ) {
    host.tabIndex = 0;
    host.setAttribute("role", "group");
    host.append(this.#mark);
    host.addEventListener("pointermove", (event) => this.#follow(event));
    host.addEventListener("pointerdown", (event) => this.#follow(event));
    host.addEventListener("keydown", (event) => this.#key(event));
    this.#place();
  }

  #follow(event: PointerEvent): void {
    const box = this.host.getBoundingClientRect();
    this.#move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  #key(event: KeyboardEvent): void {
    const direction = KEYS[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const step = event.shiftKey ? STRIDE : STEP;
    this.#move(this.x + direction[0] * step, this.y + direction[1] * step);
  }

  #move(x: number, y: number): void {
    this.x = Math.min(0.9999, Math.max(0, x));
    this.y = Math.min(0.9999, Math.max(0, y));
    this.#place();
    this.moved();
  }

  #place(): void {
    this.#mark.style.left = `${100 * this.x}%`;
    this.#mark.style.top = `${100 * this.y}%`;
  }
}
