/** The application: connects the parts of the page. */

import { byId, element } from "./elements.js";
import { openPicture } from "./images/open.js";
import { takeFiles } from "./intake.js";
import type { Model } from "./model/about.js";
import type { Frame } from "./model/frame.js";
import { contents, type Contents } from "./model/models.js";
import { busy, fail, say, saySpeed } from "./status.js";
import { sources, surfaces } from "./surfaces/index.js";
import type { Page, Surface } from "./surfaces/surface.js";
import { tabs } from "./tabs.js";
import { Engine } from "./worker/engine.js";

declare global {
  interface Window {
    /** The last prediction, for programs and the console. */
    taskscapeFrame?: Frame;
  }
}

class Application implements Page {
  readonly models: readonly Model[];
  model: Model;
  readonly #engine = new Engine(say);
  readonly #mounted = new Set<Surface>();
  #surface: Surface | undefined;
  /** The current prediction and its name. */
  #frame: Frame | undefined;
  #name = "";
  /** The picture to show next. */
  #next: { readonly picture: HTMLCanvasElement; readonly name: string } | undefined;
  /** The running prediction. Only one runs at a time, and pictures that are replaced while waiting are not predicted. */
  #running: Promise<void> = Promise.resolve();
  /** Counts files, so that a file that takes long to open does not replace a later one. */
  #files = 0;
  /** Number of files and pictures in progress. */
  #work = 0;

  constructor(inside: Contents) {
    const [first] = inside.models;
    if (!first) throw new Error("This page has no network: create one with taskscape export RUN --to web");
    this.models = inside.models;
    this.model = first;
    this.#describe();
    this.#choose();
    for (const source of sources.filter((source) => source.offered())) {
      const host = element("div", { className: "source", id: `source-${source.id}` });
      byId("sources", HTMLElement).append(host);
      source.mount(host, this);
    }
    tabs(byId("tabs", HTMLElement), byId("surfaces", HTMLElement), this.#surfaces(), (id, panel) => this.#open(id, panel));
    takeFiles((file) => void this.#take(file, file.name || "The picture"), fail);
    licenses(inside.licenses);
    if (inside.example) void this.#example(inside);
    else say("Choose a picture to begin.");
  }

  predict(model: Model, picture: HTMLCanvasElement): Promise<Frame> {
    return this.#engine.predict(model, picture);
  }

  show(picture: HTMLCanvasElement, name: string): Promise<void> {
    fail("");
    const next = (this.#next = { picture, name });
    return this.#busily(async () => {
      await this.#running;
      if (next !== this.#next) return;
      await (this.#running = this.#shown(picture, name, () => next === this.#next));
    });
  }

  async #shown(picture: HTMLCanvasElement, name: string, isNewest: () => boolean): Promise<void> {
    try {
      const frame = await this.predict(this.model, picture);
      if (!isNewest()) return;
      this.#frame = window.taskscapeFrame = frame;
      this.#name = name;
      document.body.classList.add("predicted");
      this.#surface?.draw(frame);
      saySpeed(frame, name);
    } catch (error) {
      if (isNewest()) this.#failed(error);
    }
    if (isNewest()) this.#next = undefined;
  }

  say(text: string): void {
    say(text);
  }

  fail(text: string): void {
    fail(text);
  }

  /** Shows an error, and stops the camera. */
  #failed(error: unknown): void {
    for (const source of sources) source.stop();
    fail(error instanceof Error ? error.message : String(error));
    say("");
  }

  /** Opens a file, and stops the camera. */
  #take(file: Blob, name: string): Promise<void> {
    for (const source of sources) source.stop();
    fail("");
    const number = ++this.#files;
    return this.#busily(async () => {
      try {
        const picture = await openPicture(file, name);
        if (number === this.#files) await this.show(picture, name);
      } catch (error) {
        if (number === this.#files) this.#failed(error);
      }
    });
  }

  /** Marks the page as busy until all work is done. */
  async #busily(work: () => Promise<void>): Promise<void> {
    busy(++this.#work > 0);
    await work();
    busy(--this.#work > 0);
  }

  async #example({ example, credit }: Contents): Promise<void> {
    const [head = "", data = ""] = example.split(",");
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const type = /data:([^;]*)/.exec(head)?.[1] ?? "image/jpeg";
    await this.#take(new Blob([bytes], { type }), `Example (photograph: ${credit})`);
  }

  #surfaces(): Surface[] {
    return surfaces.filter((surface) => surface.fits(this.models));
  }

  #open(id: string, panel: HTMLElement): void {
    this.#surface?.leave?.();
    this.#surface = this.#surfaces().find((surface) => surface.id === id);
    if (!this.#surface) return;
    if (!this.#mounted.has(this.#surface)) this.#surface.mount(panel, this);
    this.#mounted.add(this.#surface);
    if (this.#frame) this.#surface.draw(this.#frame);
  }

  #describe(): void {
    const { name, text } = this.model.about;
    document.title = `${name} · taskscape`;
    byId("name", HTMLElement).textContent = name;
    byId("about", HTMLElement).textContent = text;
  }

  /** Offers a choice of networks if there are several. */
  #choose(): void {
    const select = byId("model", HTMLSelectElement);
    select.append(...this.models.map(({ about }, i) => new Option(about.name, String(i))));
    byId("models", HTMLElement).hidden = this.models.length < 2;
    select.addEventListener("change", () => {
      this.model = this.models[Number(select.value)] as Model;
      this.#describe();
      const { picture, name } = this.#next ?? { picture: this.#frame?.picture, name: this.#name };
      if (picture) void this.show(picture, name);
    });
  }
}

function licenses(text: string): void {
  const dialog = byId("licenses", HTMLDialogElement);
  byId("show-licenses", HTMLButtonElement).addEventListener("click", () => {
    byId("licenses-text", HTMLElement).textContent = text;
    dialog.showModal();
  });
}

try {
  new Application(contents());
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
