/** A part of the page that shows a prediction in its own way. One file each; `index.ts` lists them. */

import type { Model } from "../model/about.js";
import type { Frame } from "../model/frame.js";

/** What a surface may ask of the page. */
export interface Page {
  /** All networks of the page, one or several. */
  readonly models: readonly Model[];
  /** The network that is chosen. */
  readonly model: Model;
  /** Predicts the picture of a frame with another network of the page. */
  predict(model: Model, picture: HTMLCanvasElement): Promise<Frame>;
  /** Predicts a picture with the chosen network and shows it; resolves when it was drawn. */
  show(picture: HTMLCanvasElement, name: string): Promise<void>;
  /** Says something to everyone, screen readers too. */
  say(text: string): void;
  /** Says what went wrong, and what to do. */
  fail(text: string): void;
}

export interface Surface {
  /** A word for ids and tests. */
  readonly id: string;
  /** On the tab. */
  readonly title: string;
  /** Whether the page's networks give what it needs. */
  fits(models: readonly Model[]): boolean;
  /** Builds its elements in an empty host; called once, when it is first shown. */
  mount(host: HTMLElement, page: Page): void;
  /** Draws a prediction; called only while it is shown, and when it comes to be shown. */
  draw(frame: Frame): void;
  /** It is no longer shown: stop what moves. */
  leave?(): void;
}

/** Where pictures come from beside files, such as a camera. Its elements stand beside the button for files. */
export interface Source {
  readonly id: string;
  /** Whether this browser has it. */
  offered(): boolean;
  mount(host: HTMLElement, page: Page): void;
  /** Another picture was opened: stop. */
  stop(): void;
}
