/** Interfaces of surfaces, which show predictions, and of sources of pictures. Each has a file; `index.ts` lists them. */

import type { Model } from "../model/about.js";
import type { Frame } from "../model/frame.js";

/** Interface of the page for surfaces and sources. */
export interface Page {
  /** All networks of the page, at least one. */
  readonly models: readonly Model[];
  /** The chosen network. */
  readonly model: Model;
  /** Predicts a picture with any network of the page. */
  predict(model: Model, picture: HTMLCanvasElement): Promise<Frame>;
  /** Predicts a picture with the chosen network and shows it; resolves when it is drawn. */
  show(picture: HTMLCanvasElement, name: string): Promise<void>;
  /** Shows a status message, which screen readers announce. */
  say(text: string): void;
  /** Shows an error message with the remedy. */
  fail(text: string): void;
}

export interface Surface {
  /** Identifier for element ids and tests. */
  readonly id: string;
  /** Title of the tab. */
  readonly title: string;
  /** Returns whether the page's networks have the outputs that it needs. */
  fits(models: readonly Model[]): boolean;
  /** Builds its elements in an empty host; called once, when it is first shown. */
  mount(host: HTMLElement, page: Page): void;
  /** Draws a prediction; called only while it is shown, and whenever it becomes visible. */
  draw(frame: Frame): void;
  /** Stops its work when it is no longer shown. */
  leave?(): void;
}

/** A source of pictures other than files, such as a camera. Its elements are beside the button for files. */
export interface Source {
  readonly id: string;
  /** Returns whether this browser supports it. */
  offered(): boolean;
  mount(host: HTMLElement, page: Page): void;
  /** Stops it, because another picture was opened. */
  stop(): void;
}
